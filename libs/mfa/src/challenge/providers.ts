import type { Provider } from '@nestjs/common';
import { ChallengeCookie } from './challenge-cookie.js';
import { ChallengeTokens } from './mfa-challenge.js';
import { MfaChallengeService } from './challenge.service.js';

export const CHALLENGE_PROVIDERS: Provider[] = [ChallengeCookie, ChallengeTokens, MfaChallengeService];
