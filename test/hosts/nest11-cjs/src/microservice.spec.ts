import { Controller, Module, UseFilters, type INestApplication } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { ClientProxyFactory, MessagePattern, Payload, Transport, type ClientProxy } from '@nestjs/microservices';
import { createServer, type AddressInfo } from 'node:net';
import { MfaExceptionFilter, MfaGuard, MfaVerificationService, RequireMfa, SkipMfa } from 'nestjs-mfa';
import { lastValueFrom, timeout } from 'rxjs';
import { AppModule } from './app.module';

@Controller()
class Patterns {
  constructor(private readonly verification: MfaVerificationService) {}

  @MessagePattern('unmarked')
  unmarked() {
    return 'confidential';
  }

  @MessagePattern('marked')
  @RequireMfa()
  marked() {
    return 'confidential';
  }

  @MessagePattern('service')
  @SkipMfa()
  @UseFilters(MfaExceptionFilter)
  service(@Payload() { code }: { code: string }) {
    return this.verification.stepUp('nobody', { code });
  }
}

@Module({
  imports: [AppModule],
  controllers: [Patterns],
  providers: [{ provide: APP_GUARD, useExisting: MfaGuard }],
})
class HybridModule {}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe.each([true, false])('a hybrid application with inheritAppConfig: %s', (inheritAppConfig) => {
  let app: INestApplication;
  let client: ClientProxy;

  beforeAll(async () => {
    const options = { host: '127.0.0.1', port: await freePort() };
    app = await NestFactory.create(HybridModule, { logger: false, abortOnError: false });
    app.connectMicroservice({ transport: Transport.TCP, options }, { inheritAppConfig });
    await app.startAllMicroservices();
    await app.init();
    client = ClientProxyFactory.create({ transport: Transport.TCP, options });
  });
  afterAll(async () => {
    await client?.close();
    await app?.close();
  });

  const send = (pattern: string, data: object = {}) =>
    lastValueFrom(client.send<unknown>(pattern, { headers: {}, ...data }).pipe(timeout(5_000))).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
  const refused = {
    error: { statusCode: 401, code: 'MFA_NOT_AUTHENTICATED', message: 'Sign in first.', error: 'Unauthorized' },
  };

  it('S68 refuses a marked handler in any case, and an unmarked one where the global guard is inherited', async () => {
    expect(await send('marked')).toEqual(refused);
    expect(await send('unmarked')).toEqual(inheritAppConfig ? refused : { value: 'confidential' });
  });

  it('S68 returns an exception of a service as an error with its code through MfaExceptionFilter', async () => {
    expect(await send('service', { code: '000000' })).toMatchObject({
      error: { statusCode: 409, code: 'MFA_NOT_ENABLED' },
    });
  });
});
