import { AcmeMfaHost } from './acme-mfa-host.js';
import { Browser, start } from './browser.js';
import { describeRequiredMfa, givePolicy } from './required-mfa.flow.js';

givePolicy(AcmeMfaHost);
describeRequiredMfa(start, Browser);
