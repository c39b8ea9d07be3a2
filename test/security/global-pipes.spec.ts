import {
  BadRequestException,
  Body,
  Controller,
  ParseIntPipe,
  Post,
  ValidationPipe,
  type ArgumentMetadata,
  type PipeTransform,
  type ValidationPipeOptions,
} from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { IsString } from 'class-validator';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { ChallengeRoute, CurrentChallenge, MfaChallenge, MfaVerificationService } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { ADAPTERS, FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';

class CodeDto {
  @IsString()
  code!: string;
}

@Controller('own')
class OwnController {
  constructor(private readonly verification: MfaVerificationService) {}

  @Post('verify')
  @ChallengeRoute()
  async verify(@CurrentChallenge() challenge: MfaChallenge, @Body() { code }: CodeDto) {
    await this.verification.verify(challenge, { code });
    return { isChallenge: challenge instanceof MfaChallenge, userId: challenge.userId };
  }
}

const FLAGS = ['transform', 'whitelist', 'forbidNonWhitelisted', 'forbidUnknownValues'] as const;
/** Every combination of the options that change values or refuse them. */
const COMBINATIONS = Array.from({ length: 2 ** FLAGS.length }, (_, bits) =>
  FLAGS.filter((_flag, index) => (bits & (1 << index)) !== 0),
);

/** Every built-in route, as its user calls it. */
async function walk(host: HostApp): Promise<void> {
  const user = new Client(host, 'piped');
  const { authenticator, id } = await user.enroll();
  const step = () => (host.clock.advance(30), authenticator.code());
  await user.patch(`/mfa/authenticators/${id}`, { name: 'Phone', extra: 1 }).expect(200);
  await user.verify(await user.login(), 123456).expect(400, /code must be a string/);
  await user.verify(await user.login(), step()).expect(200);
  await user.post('/mfa/step-up', { code: step() }).expect(200);
  await user.post('/mfa/backup-codes/regenerate', { code: step() }).expect(200);
  const status = await user.get('/mfa/status').expect(200);
  expect(status.body.authenticators).toMatchObject([{ id, name: 'Phone' }]);
  const again = new Client(host, 'piped');
  await again.post(`/mfa/authenticators/${id}/remove`, { code: step() }).expect(200);
  const { authenticator: last } = await again.enroll();
  await again.post('/mfa/disable', { code: last.code() }).expect(200);
}

describe.each(ADAPTERS)('global pipes of the host over %s', (adapter) => {
  const started = (pipe: PipeTransform) =>
    startHostApp({
      adapter,
      options: FEW_CODES,
      controllers: [OwnController],
      configure: (app) => void app.useGlobalPipes(pipe),
    });

  const combinations = adapter === 'express' ? COMBINATIONS : [COMBINATIONS[1]!, COMBINATIONS.at(-1)!];

  it.each(combinations.map((flags) => [flags.join(', ') || 'nothing else', flags] as const))(
    'S69 ValidationPipe with validateCustomDecorators and %s changes nothing',
    async (_, flags) => {
      const options: ValidationPipeOptions = Object.fromEntries(FLAGS.map((flag) => [flag, flags.includes(flag)]));
      const host = await started(new ValidationPipe({ ...options, validateCustomDecorators: true }));
      const user = new Client(host, 'own');
      const { authenticator } = await user.enroll();
      const mfa_token = await user.login();
      // A host's own DTO that forbids unknown fields takes the token from a header.
      const own = request(user.server).post('/own/verify').set('x-mfa-token', mfa_token);
      await own.send({ code: authenticator.code() }).expect(201, { isChallenge: true, userId: 'own' });
      await walk(host);
      await host.close();
    },
  );

  const PIPES: [string, (value: unknown, metadata: ArgumentMetadata) => unknown][] = [
    ['converts every value to a number', (value, metadata) => new ParseIntPipe().transform(value as string, metadata)],
    ['refuses every value', () => Promise.reject(new BadRequestException('refused by the host'))],
    ['replaces every value', () => ({ code: '000000', userId: 'somebody else', name: 'replaced' })],
    ['removes every value', () => undefined],
  ];

  it.each(PIPES)('S69 a pipe that %s changes nothing on the built-in routes', async (_, transform) => {
    const pipe = { provide: APP_PIPE, useValue: { transform } };
    const host = await startHostApp({ adapter, options: FEW_CODES, providers: [pipe] });
    const user = new Client(host, 'piped');
    const { authenticator, id } = await user.enroll();
    await user.patch(`/mfa/authenticators/${id}`, { name: 'Phone' }).expect(200);
    await user.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
    expect((await user.get('/mfa/status')).body.authenticators[0]).toMatchObject({ id, name: 'Phone' });
    host.clock.advance(30);
    await user.post(`/mfa/authenticators/${id}/remove`, { code: authenticator.code() }).expect(200);
    await host.close();
  });
});
