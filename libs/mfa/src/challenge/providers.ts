import type { Provider } from '@nestjs/common';
import { ChallengeCookie } from './challenge-cookie.js';
import { ChallengeTokens } from './mfa-challenge.js';
import { EnrollmentChallenges } from './enrollment-challenges.js';
import { MfaChallengeService } from './challenge.service.js';

export const CHALLENGE_PROVIDERS: Provider[] = [
  ChallengeCookie,
  ChallengeTokens,
  MfaChallengeService,
  EnrollmentChallenges,
];
