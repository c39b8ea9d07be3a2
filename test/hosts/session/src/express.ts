import type { NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import session, { MemoryStore } from 'express-session';
import { AppModule } from './app.module.js';

export const store = new MemoryStore(); // in production a store of your database or Redis

export async function createApp(options: NestApplicationOptions = {}): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule, options);
  const secure = process.env.NODE_ENV === 'production';
  app.set('trust proxy', 1); // one proxy, which ends TLS
  app.use(
    session({
      secret: process.env.SESSION_SECRET!,
      store,
      resave: false, // an unchanged session of a slow request must not overwrite a change
      saveUninitialized: false,
      cookie: { secure, sameSite: 'lax' },
    }),
  );
  return app;
}
