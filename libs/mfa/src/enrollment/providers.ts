import type { Provider } from '@nestjs/common';
import { AuthenticatorRemoval } from './authenticator-removal.js';
import { Enrollers } from './enrollers.js';
import { EnrollmentAuthorization } from './enrollment-authorization.js';
import { EnrollmentCompletion } from './enrollment-completion.js';
import { EnrollmentProof } from './enrollment-proof.js';
import { MfaEnrollmentService } from './enrollment.service.js';
import { ReauthenticationCheck } from './reauthentication-check.js';

export const ENROLLMENT_PROVIDERS: Provider[] = [
  Enrollers,
  EnrollmentAuthorization,
  EnrollmentCompletion,
  EnrollmentProof,
  ReauthenticationCheck,
  AuthenticatorRemoval,
  MfaEnrollmentService,
];
