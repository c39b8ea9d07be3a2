/** A Nest application with a database and one route, with or without the module. */
import 'reflect-metadata';
import { Controller, Get } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { decorate, decorateMethod } from './decorate.mjs';

class PingController {
  ping() {
    return { pong: true };
  }
}
decorate(PingController, [Controller()]);
decorateMethod(PingController, 'ping', [Get('ping')]);

class PingModule {}

const PEERS = ['class-validator', 'class-transformer', '@nestjs/schedule'];

/** With `peers` it loads what a validating, scheduling host has anyway, with `module` the library. */
export async function start({ databaseUrl, key, peers = false, module = false }) {
  if (peers) await Promise.all(PEERS.map((name) => import(name)));
  const mfa = module ? await moduleOf(key) : { entities: [], imports: [] };
  const database = TypeOrmModule.forRoot({ type: 'postgres', url: databaseUrl, poolSize: 10, entities: mfa.entities });
  const root = { module: PingModule, controllers: [PingController], imports: [database, ...mfa.imports] };
  const app = await NestFactory.create(root, new FastifyAdapter(), { logger: ['error'], abortOnError: false });
  await app.listen(0, '127.0.0.1');
  // Since the process began; what it loaded until now is in it.
  const startMs = performance.now();
  const { rss } = process.memoryUsage();
  return {
    port: app.getHttpServer().address().port,
    commands: { started: () => ({ startMs, rssMiB: rss / 2 ** 20 }) },
  };
}

async function moduleOf(key) {
  const { MFA_ENTITIES, MfaHost, MfaModule } = await import('nestjs-mfa');
  class Host extends MfaHost {
    principal() {
      return null;
    }

    completeLogin() {}
  }
  const enrollment = { proof: 'session-only' };
  const options = { issuer: 'Bench', keys: [{ id: 'bench', secret: key }], host: Host, enrollment };
  return { entities: MFA_ENTITIES, imports: [MfaModule.forRoot(options)] };
}
