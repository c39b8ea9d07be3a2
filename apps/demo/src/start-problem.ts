import { MfaException } from 'nestjs-mfa';
import { ConfigError } from './config-error.js';

/** One line with the remedy for what usually goes wrong at start, else the error itself with its stack. */
export function explainStartProblem(error: unknown): unknown {
  if (error instanceof ConfigError || error instanceof MfaException) return error.message;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return 'PORT is taken by another program; set PORT to a free one, or to 0';
  if (code === 'EACCES' && syscall === 'listen') return 'PORT needs privileges; set PORT to one above 1023';
  if (syscall === 'connect' || syscall === 'getaddrinfo') {
    return `DATABASE_URL names a server that does not answer (${code}); start it, or correct the URL`;
  }
  return error;
}
