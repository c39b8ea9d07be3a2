import { Browser, start } from './browser.js';
import * as express from './express.js';
import * as fastify from './fastify.js';
import { describeTrustedDevices } from './trusted-devices.flow.js';

describe.each([
  ['Express', express],
  ['Fastify', fastify],
])('on %s', (_, { createApp, store }) => {
  describeTrustedDevices(() => start(createApp, store), Browser, { isBrowser: true });
});
