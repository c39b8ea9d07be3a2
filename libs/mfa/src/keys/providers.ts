import { Logger, type Provider } from '@nestjs/common';
import { MfaClock, SystemClock } from '../domain/clock.js';
import { MfaRandom, SystemRandom } from '../domain/random.js';
import { FernetFormat } from '../domain/secrets/fernet-format.js';
import { SecretBox, SecretReader } from '../domain/secrets/secret-box.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { MfaKeyService } from './key.service.js';
import { ReencryptOnUse } from './reencrypt-on-use.js';

export const KEY_PROVIDERS: Provider[] = [
  { provide: MfaClock, useClass: SystemClock },
  { provide: MfaRandom, useClass: SystemRandom },
  {
    provide: SecretBox,
    useFactory: ({ keyRing, fernet }: ResolvedMfaOptions, random: MfaRandom, clock: MfaClock) =>
      new SecretBox(keyRing, random, fernet ? [new FernetFormat(fernet, clock)] : []),
    inject: [MFA_RESOLVED_OPTIONS, MfaRandom, MfaClock],
  },
  {
    provide: SecretReader,
    useFactory: (box: SecretBox) => {
      const logger = new Logger('nestjs-mfa');
      return new SecretReader(box, (message) => logger.error(message));
    },
    inject: [SecretBox],
  },
  ReencryptOnUse,
  MfaKeyService,
];
