import type { Provider } from '@nestjs/common';
import { AuthenticatorRemoval } from './authenticator-removal.js';
import { EnrollmentProof } from './enrollment-proof.js';
import { MfaEnrollmentService } from './enrollment.service.js';
import { ReauthenticationCheck } from './reauthentication-check.js';

export const ENROLLMENT_PROVIDERS: Provider[] = [
  EnrollmentProof,
  ReauthenticationCheck,
  AuthenticatorRemoval,
  MfaEnrollmentService,
];
