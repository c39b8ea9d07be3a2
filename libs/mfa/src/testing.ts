import './testing/not-in-production.js';

export { FixedClock } from './testing/fixed-clock.js';
export { VirtualAuthenticator } from './testing/virtual-authenticator.js';
export { MfaClock } from './domain/clock.js';
