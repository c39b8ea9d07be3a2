import { UnsupportedMediaTypeException, type ExecutionContext } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { describe, expect, it } from 'vitest';
import { MfaException } from '../errors/mfa.exception.js';
import { JsonBodyGuard } from './route.guards.js';

const JSON_HEADERS = { 'content-type': 'application/json', 'content-length': '2' };
const contextOf = (request: object): ExecutionContext =>
  new ExecutionContextHost([{ method: 'POST', headers: JSON_HEADERS, ...request }, {}]);
const guard = new JsonBodyGuard({ httpAdapter: { setHeader: () => undefined } } as unknown as HttpAdapterHost);

describe('JsonBodyGuard', () => {
  it.each([
    ['an object', { body: {} }],
    ['null', { body: null }],
    ['text', { body: 'text' }],
    ['no body where none was sent', { headers: {} }],
    ['no body where its length is 0', { headers: { ...JSON_HEADERS, 'content-length': '0' } }],
    ['no body of a GET', { method: 'GET' }],
  ])('admits %s', (_, request) => {
    expect(guard.canActivate(contextOf(request))).toBe(true);
  });

  it.each([
    ['no body', {}],
    ['bytes', { body: Buffer.from('{}') }],
    ['no body of a PATCH', { method: 'PATCH' }],
    ['no body of unknown length', { headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' } }],
    [
      'no body with a charset',
      { headers: { ...JSON_HEADERS, 'content-type': 'application/json; charset="utf-8" ; a=b' } },
    ],
  ])('S75 refuses %s as misconfigured', (_, request) => {
    expect(() => guard.canActivate(contextOf(request))).toThrow(MfaException);
  });

  it.each([
    ...['application/json;', 'application/json; charset', 'application/json; charset=', 'application/json; =x'],
    ...['application/json; charset="utf-8', 'application/json x', 'application/json;;a=b'],
  ])('S67 refuses the malformed type %j, which parsers pass over, with 415', (type) => {
    const headers = { ...JSON_HEADERS, 'content-type': type };
    expect(() => guard.canActivate(contextOf({ headers }))).toThrow(UnsupportedMediaTypeException);
  });
});
