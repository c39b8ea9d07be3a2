import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type LoggerService,
  type NestInterceptor,
} from '@nestjs/common';
import { tap, type Observable } from 'rxjs';
import type { Logger as TypeOrmLogger } from 'typeorm';
import type { MfaEvent } from 'nestjs-mfa';

/**
 * Every test application logs at debug level, statements with their parameters included, into this one place, and so it
 * does with its events. Every code, token, secret, WebAuthn challenge and response of a passkey that passes through it
 * is noted. None of them may ever meet (S64).
 */
const lines: string[] = [];
const sensitive = new Set<string>();

const write = (...parts: unknown[]) => void lines.push(parts.map((part) => text(part)).join(' '));

function text(part: unknown): string {
  if (part instanceof Error) return `${part.stack} ${JSON.stringify(part)} ${text(part.cause ?? '')}`;
  return typeof part === 'string' ? part : (JSON.stringify(part) ?? '');
}

export const capturingLogger: LoggerService = {
  log: write,
  error: write,
  warn: write,
  debug: write,
  verbose: write,
  fatal: write,
};

export const capturingTypeOrmLogger: TypeOrmLogger = {
  logQuery: (query, parameters) => write(query, parameters),
  logQueryError: (error, query, parameters) => write(error, query, parameters),
  logQuerySlow: (_, query, parameters) => write(query, parameters),
  logSchemaBuild: write,
  logMigration: write,
  log: (_, message) => write(message),
};

/** Keeps an event with the log. */
export const captureEvent = (event: MfaEvent) => write(event);

/** Notes what must not be logged, as it comes in and goes out. */
@Injectable()
export class SensitiveValues implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    note(context.switchToHttp().getRequest<{ body?: unknown }>().body);
    return next.handle().pipe(tap((answer) => note(answer)));
  }
}

/** What is noted by its form, under any name. */
const SHAPES = [
  /^[0-9]{6,8}$/, // TOTP
  /^[A-Z0-9]{4}-[A-Z0-9]{4}(-[A-Z0-9]{5})?$/, // backup code
  /^[A-Z0-9]{4}(-[A-Z0-9]{4}){3}$/, // recovery code
  /^[A-Z2-7]{16,}$/, // base32 secret
  /^otpauth:/,
  /^eyJ[\w.-]{40,}$/, // mfa_token
];

/** The parts of a WebAuthn ceremony that are stored nowhere. They have the shape of ids and keys, so the name decides. */
const CEREMONY = /^(challenge|clientDataJSON|attestationObject|authenticatorData|signature)$/;
const BYTES = /^[\w-]{40,}$/;

function note(value: unknown, name = '', depth = 0): void {
  // Hostile bodies are nested deeper than any secret of ours.
  if (depth > 5) return;
  if (typeof value === 'string') {
    // Codes that tests make up are among the numbers of any log.
    const madeUp = /^(\d)\1+$|^123456/.test(value);
    const isCeremony = CEREMONY.test(name) && BYTES.test(value);
    if (!madeUp && (isCeremony || SHAPES.some((shape) => shape.test(value)))) sensitive.add(value);
  } else if (typeof value === 'object' && value !== null) {
    Object.entries(value).forEach(([key, each]) => note(each, key, depth + 1));
  }
}

/** What a secret may consist of. A log has few such words that differ. */
const WORDS = /[\w.:/?=&%-]{6,}/g;
const LONGEST_CODE = 9;

/** Returns what was logged and must not have been, and clears the record. */
export function takeLeaks(): string[] {
  const log = lines.splice(0).join('\n');
  const values = [...sensitive];
  sensitive.clear();
  const words = new Set(log.match(WORDS) ?? []);
  const ends = new Set(values.map(endOf));
  const suspects = [...words].filter((word) => hasEnd(word, ends)).join('\n');
  const isWord = (value: string) => value.match(WORDS)?.[0] === value;
  return values.filter((value) => {
    if (value.length <= LONGEST_CODE) return words.has(value);
    return (isWord(value) ? suspects : log).includes(value);
  });
}

/** The last characters of a longer value. The first ones are equal in many values. */
const endOf = (value: string) => value.slice(-(LONGEST_CODE + 1));

/** Whether one of the ends stands anywhere in the word. One pass, because there are thousands of values. */
function hasEnd(word: string, ends: ReadonlySet<string>): boolean {
  for (let at = 0; at + LONGEST_CODE < word.length; at += 1) {
    if (ends.has(word.slice(at, at + LONGEST_CODE + 1))) return true;
  }
  return false;
}

/** How much there was to find, so that a test can tell that it would be found. */
export const captured = () => ({ lines: lines.length, sensitive: sensitive.size });
