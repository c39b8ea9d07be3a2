import { Browser, start } from './browser.js';
import * as express from './express.js';
import * as fastify from './fastify.js';
import { describeLifeCycle } from './life-cycle.flow.js';

describe('on Express', () => describeLifeCycle(() => start(express.createApp, express.store), Browser));
describe('on Fastify', () => describeLifeCycle(() => start(fastify.createApp, fastify.store), Browser));
