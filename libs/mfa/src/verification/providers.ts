import type { Provider } from '@nestjs/common';
import { AttemptLimiter } from './attempt-limiter.js';
import { LoginCompletion, SupersededSessions } from './login-completion.js';
import { ProofPreparation } from './proof-preparation.js';
import { ProofVerifier } from './proof-verifier.js';
import { StepUpCompletion } from './step-up-completion.js';
import { MfaVerificationService } from './verification.service.js';

export const VERIFICATION_PROVIDERS: Provider[] = [
  AttemptLimiter,
  ProofPreparation,
  ProofVerifier,
  SupersededSessions,
  LoginCompletion,
  StepUpCompletion,
  MfaVerificationService,
];
