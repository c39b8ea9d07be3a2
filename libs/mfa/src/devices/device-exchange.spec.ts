import type { ExecutionContext } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { FakeResponse, httpContext } from '../../../../test/support/in-memory-devices.js';
import { exchangeOf, exchangeOfContext } from './device-exchange.js';

const NONE = { cookies: undefined, userAgent: '', response: null };
const response = new FakeResponse();
const request = { headers: { cookie: 'a=1', 'user-agent': 'Firefox' } };
const FOUND = { cookies: 'a=1', userAgent: 'Firefox', response };
const graphql = (context: unknown) =>
  ({ getType: () => 'graphql', getArgByIndex: (index: number) => [{}, {}, context][index] }) as ExecutionContext;

describe('the exchange of a request and a response', () => {
  it('has the cookies and the user agent of the request, and the response', () => {
    expect(exchangeOf(request, response)).toEqual(FOUND);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['text', 'headers'],
    ['a number', 7],
    ['a function', () => request],
    ['an object', {}],
    ['headers of undefined', { headers: undefined }],
    ['headers of null', { headers: null }],
    ['headers of text', { headers: 'cookie' }],
    ['headers without cookies', { headers: {} }],
  ])('has neither cookies nor a user agent for a request that is %s', (_, given) => {
    expect(exchangeOf(given, response)).toEqual({ ...NONE, response });
  });

  it.each([undefined, null, 7, ['Firefox'], {}])('has no user agent that is %j', (agent) => {
    expect(exchangeOf({ headers: { 'user-agent': agent } }, null).userAgent).toBe('');
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['text', 'response'],
    ['an object', {}],
    ['what sets headers and returns none', { setHeader: () => 1, header: () => 1 }],
    ['what returns headers and sets none', { getHeader: () => undefined }],
    ['what has a header that is not a method', { getHeader: () => undefined, header: 'x' }],
    ['an Express response that was sent', Object.assign(new FakeResponse(), { headersSent: true })],
    ['a Fastify reply that was sent', Object.assign(new FakeResponse(), { sent: true })],
    ['what has methods by name only', { getHeader: 'x', setHeader: 'x' }],
  ])('has no response that is %s', (_, given) => {
    expect(exchangeOf(request, given)).toEqual({ ...FOUND, response: null });
  });

  it('has a response that was not sent yet', () => {
    const open = Object.assign(new FakeResponse(), { headersSent: false, sent: false });
    expect(exchangeOf(request, open).response).toBe(open);
  });

  it.each<[string, object]>([
    ['Express', { getHeader: () => 'x', setHeader: () => 'x' }],
    ['Fastify', { getHeader: () => 'x', header: () => 'x' }],
  ])('has the response of %s', (_, given) => {
    expect(exchangeOf(request, given).response).toBe(given);
  });
});

describe('the exchange of a context', () => {
  it('is that of an HTTP request', () => {
    expect(exchangeOfContext(httpContext('a=1', response))).toEqual(FOUND);
  });

  it.each<[string, object]>([
    ['req and res', { req: request, res: response }],
    ['request and reply', { request, reply: response }],
    ['req, whose response it has', { req: { ...request, res: response } }],
    ['request, whose response it has', { request: { ...request, res: response } }],
    ['req and a request of the Fetch API', { request: new Request('http://x/'), req: request, res: response }],
    ['res and reply', { req: request, res: response, reply: {} }],
  ])('is that of a GraphQL context with %s', (_, context) => {
    expect(exchangeOfContext(graphql(context))).toEqual(FOUND);
  });

  it.each<[string, ExecutionContext | undefined]>([
    ['no context', undefined],
    ['a GraphQL context that is missing', graphql(undefined)],
    ['a GraphQL context that is null', graphql(null)],
    ['a GraphQL context that is text', graphql('x')],
    ['an empty GraphQL context', graphql({})],
    ['a GraphQL context with a request that is null', graphql({ req: null, request: null })],
    ['an RPC', { getType: () => 'rpc', getArgByIndex: () => ({ req: request, res: response }) } as never],
    ['a WebSocket', { getType: () => 'ws', getArgByIndex: () => ({ req: request, res: response }) } as never],
  ])('is none of %s', (_, context) => {
    expect(exchangeOfContext(context)).toEqual(NONE);
  });
});
