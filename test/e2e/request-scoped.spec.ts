import { Inject, Injectable, Module, Scope } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { afterEach, describe, expect, it } from 'vitest';
import { MfaModule } from 'nestjs-mfa';
import { AuthModule, startHostApp, TEST_KEY, TestHost, type HostApp } from '../support/host-app.js';

@Injectable({ scope: Scope.REQUEST })
class TenantConfig {
  constructor(@Inject(REQUEST) readonly request: object) {}
  issuer = 'Acme';
}

@Module({ providers: [TenantConfig], exports: [TenantConfig] })
class TenantModule {}

describe('request-scoped options', () => {
  let host: HostApp | undefined;
  afterEach(() => host?.close());

  it('S75 end the boot with an error that names cause and remedy', async () => {
    const start = startHostApp({
      mfa: MfaModule.forRootAsync({
        host: TestHost,
        imports: [AuthModule, TenantModule],
        inject: [TenantConfig],
        useFactory: ({ issuer }: TenantConfig) => ({ issuer, keys: [TEST_KEY] }),
      }),
    }).then((started) => (host = started));
    await expect(start).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(/forRootAsync.*request-scoped.*singletons/),
    });
  });
});
