import cookie from '@fastify/cookie';
import session from '@fastify/session';
import type { NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { MemoryStore } from 'express-session';
import { AppModule } from './app.module.js';

export const store = new MemoryStore(); // @fastify/session takes the stores of express-session

export async function createApp(options: NestApplicationOptions = {}): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({ trustProxy: 'loopback' }); // where the proxy that ends TLS runs
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, adapter, options);
  const secure = process.env.NODE_ENV === 'production';
  await app.register(cookie);
  await app.register(session, {
    secret: process.env.SESSION_SECRET!,
    store,
    saveUninitialized: false,
    cookie: { secure, sameSite: 'lax' },
  });
  return app;
}
