import type { Provider } from '@nestjs/common';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { requirePasskeyLibrary } from './passkey-ceremonies.js';
import { PasskeyEnrollment } from './passkey-enrollment.js';
import { PasskeyFactor } from './passkey.factor.js';
import { MfaPasskeyService } from './passkey.service.js';
import { WebAuthnChallenges } from './webauthn-challenge.js';

export const PASSKEY_PROVIDERS: Provider[] = [
  {
    provide: WebAuthnChallenges,
    // A missing library ends the boot, and where there are no passkeys it is not loaded.
    useFactory: async ({ keyRing, passkeys }: ResolvedMfaOptions) => {
      if (passkeys) await requirePasskeyLibrary();
      return new WebAuthnChallenges(keyRing);
    },
    inject: [MFA_RESOLVED_OPTIONS],
  },
  PasskeyFactor,
  PasskeyEnrollment,
  MfaPasskeyService,
];
