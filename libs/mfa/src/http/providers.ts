import type { Provider } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { MFA_ROUTES_PATH } from '../challenge/challenge-cookie.js';
import { BootLog } from './boot-log.js';
import { MfaExceptionFilter } from './mfa-exception.filter.js';
import { EnrollmentResponses } from './enrollment-responses.js';
import { commonPathOnce } from './mounted-routes.js';
import { RequestReader } from './request-reader.js';

export const HTTP_PROVIDERS: Provider[] = [
  { provide: MFA_ROUTES_PATH, useFactory: commonPathOnce, inject: [ApplicationConfig, ModulesContainer] },
  MfaExceptionFilter,
  RequestReader,
  EnrollmentResponses,
  BootLog,
];
