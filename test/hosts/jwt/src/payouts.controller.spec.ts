import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MfaGuard } from 'nestjs-mfa';
import { PayoutsController } from './payouts.controller.js';

describe('PayoutsController', () => {
  let app: INestApplication;
  afterEach(() => app?.close());

  it('lists payouts', async () => {
    const testing = Test.createTestingModule({ controllers: [PayoutsController] });
    const module = await testing
      .overrideGuard(MfaGuard)
      .useValue({ canActivate: () => true })
      .compile();
    app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');
    expect(await (await fetch(`${await app.getUrl()}/payouts`)).json()).toEqual([]);
  });
});
