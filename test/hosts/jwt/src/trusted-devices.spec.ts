import { Browser, start } from './browser.js';
import { describeTrustedDevices } from './trusted-devices.flow.js';

describeTrustedDevices(start, Browser, { isBrowser: false });
