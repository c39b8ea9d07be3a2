import type { Provider } from '@nestjs/common';
import { AppEnrollment } from '../../enrollment/app-enrollment.js';
import { SetupImages } from './setup-images.js';
import { TotpConfirmation } from './totp-confirmation.js';
import { TotpEnrollment } from './totp-enrollment.js';
import { TotpFactor } from './totp.factor.js';
import { TotpService } from './totp.service.js';
import { TotpSetup } from './totp-setup.js';

export const TOTP_PROVIDERS: Provider[] = [
  TotpFactor,
  TotpSetup,
  TotpConfirmation,
  SetupImages,
  { provide: AppEnrollment, useClass: TotpEnrollment },
  TotpService,
];
