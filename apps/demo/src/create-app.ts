import type { INestApplication, LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { MfaClock } from 'nestjs-mfa';
import { AppModule } from './app.module.js';
import type { DemoConfig } from './config.js';
import { FlatBodyPipe } from './flat-body.pipe.js';
import { serveOpenApi } from './openapi.js';

/** What tests put in place of the real thing. */
export interface DemoOverrides {
  /** The time that the library and the demo go by. */
  clock?: MfaClock;
  /** `false` keeps the application silent. */
  logger?: LoggerService | false;
}

/** The whole application, ready for requests; `listen()` opens its port, `close()` ends it. */
export async function createDemoApp(config: DemoConfig, overrides: DemoOverrides = {}): Promise<INestApplication> {
  const adapter = config.httpAdapter === 'fastify' ? new FastifyAdapter(LIKE_EXPRESS) : new ExpressAdapter();
  const { clock, logger } = overrides;
  const app = await NestFactory.create(AppModule.register(config), adapter, {
    abortOnError: false,
    // Idle keep-alive connections of browsers would hold up the shutdown.
    forceCloseConnections: true,
    ...(logger !== undefined && { logger }),
    ...(clock && {
      instrument: { instanceDecorator: (instance) => (instance instanceof MfaClock ? clock : instance) },
    }),
  });
  app.useSecurityHeaders(SECURITY_HEADERS);
  app.enableCsrfProtection();
  app.useGlobalPipes(new FlatBodyPipe());
  serveOpenApi(app);
  await app.init();
  if (config.httpAdapter === 'fastify') await (app as NestFastifyApplication).getHttpAdapter().getInstance().ready();
  return app;
}

/** What Express does by default. */
const LIKE_EXPRESS = { bodyLimit: 100 * 1024, routerOptions: { ignoreTrailingSlash: true } };

/** The page needs its own files and the QR code as a data URL, and nothing else. */
const SECURITY_HEADERS: Parameters<INestApplication['useSecurityHeaders']>[0] = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: "'none'",
      scriptSrc: "'self'",
      styleSrc: "'self'",
      imgSrc: ["'self'", 'data:'],
      connectSrc: "'self'",
      baseUri: "'none'",
      formAction: "'none'",
      frameAncestors: "'none'",
    },
  },
  xFrameOptions: { action: 'deny' },
  // Plain HTTP on localhost is the demo's usual place; a proxy in front of it knows better.
  strictTransportSecurity: false,
};
