import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { useSessions } from './sessions.js';

const app = await NestFactory.create(AppModule);
useSessions(app);
await app.listen(process.env.PORT ?? 3000);
