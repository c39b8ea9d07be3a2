import type { Provider } from '@nestjs/common';
import { AttemptLimiter } from './attempt-limiter.js';
import { LoginCompletion } from './login-completion.js';
import { ProofVerifier } from './proof-verifier.js';
import { StepUpCompletion } from './step-up-completion.js';
import { SupersededSessions } from './superseded-sessions.js';
import { MfaVerificationService } from './verification.service.js';

export const VERIFICATION_PROVIDERS: Provider[] = [
  AttemptLimiter,
  ProofVerifier,
  SupersededSessions,
  LoginCompletion,
  StepUpCompletion,
  MfaVerificationService,
];
