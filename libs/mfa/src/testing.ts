import './testing/not-in-production.js';

export { FixedClock } from './testing/fixed-clock.js';
export { VirtualAuthenticator } from './testing/virtual-authenticator.js';
export { VirtualPasskey } from './testing/virtual-passkey.js';
export type {
  VirtualPasskeyAssertion,
  VirtualPasskeyCreateFaults,
  VirtualPasskeyCreationOptions,
  VirtualPasskeyFaults,
  VirtualPasskeyGetFaults,
  VirtualPasskeyRegistration,
  VirtualPasskeyRequestOptions,
  VirtualPasskeyResponse,
  VirtualPasskeySettings,
  VirtualPasskeyTransport,
} from './testing/virtual-passkey.types.js';
export { MfaClock } from './domain/clock.js';
