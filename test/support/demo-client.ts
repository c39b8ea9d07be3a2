import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { FixedClock, VirtualAuthenticator } from 'nestjs-mfa/testing';
import request from 'supertest';
import { loadConfig, type DemoConfig } from '../../apps/demo/src/config.js';
import { createDemoApp } from '../../apps/demo/src/create-app.js';
import { createDatabase, type TestDatabase } from './databases.js';

export const PASSWORD = 'correct horse battery';

type Server = Parameters<typeof createDatabase>[0];

/** The demo in this process, with a data folder, a database and a clock of its own. */
export class DemoClient {
  private constructor(
    readonly app: INestApplication,
    readonly config: DemoConfig,
    readonly clock: FixedClock,
    private readonly server: TestDatabase | undefined,
  ) {}

  static async start(httpAdapter: 'express' | 'fastify', database: Server | 'sqlite' = 'sqlite'): Promise<DemoClient> {
    const folder = await mkdtemp(join(tmpdir(), 'demo-'));
    const server = database === 'sqlite' ? undefined : await createDatabase(database);
    const clock = new FixedClock(Date.now());
    const config = loadConfig({ HTTP_ADAPTER: httpAdapter, DATA_DIR: folder, DATABASE_URL: server?.url });
    return new DemoClient(await createDemoApp(config, { clock, logger: false }), config, clock, server);
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.server?.drop();
    await rm(this.config.dataDir, { recursive: true, force: true });
  }

  http() {
    return request(this.app.getHttpServer() as Parameters<typeof request>[0]);
  }

  post(path: string, body: object, token = ''): request.Test {
    return withBearer(this.http().post(path), token).send(body);
  }

  get(path: string, token = ''): request.Test {
    return withBearer(this.http().get(path), token);
  }

  /** Confirms an authenticator app in a session. Afterwards the clock is one step later, so that the next code is fresh. */
  async enroll(token: string): Promise<{ authenticator: VirtualAuthenticator; backupCodes: string[] }> {
    const setup = await this.post('/mfa/totp/setup', { password: PASSWORD }, token).expect(200);
    const authenticator = new VirtualAuthenticator(setup.body.otpauthUri, this.clock);
    const confirmed = await this.post('/mfa/totp/confirm', { code: authenticator.code() }, token).expect(200);
    this.clock.advance(30);
    return { authenticator, backupCodes: confirmed.body.backupCodes };
  }
}

export function withBearer(test: request.Test, token: string): request.Test {
  return token ? test.set('Authorization', `Bearer ${token}`) : test;
}
