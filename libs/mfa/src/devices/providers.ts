import type { Provider } from '@nestjs/common';
import { DeviceCookie } from './device-cookie.js';
import { DeviceTrust } from './device-trust.js';
import { MfaDeviceService } from './device.service.js';
import { TrustedLogins } from './trusted-logins.js';

export const DEVICE_PROVIDERS: Provider[] = [DeviceCookie, TrustedLogins, DeviceTrust, MfaDeviceService];
