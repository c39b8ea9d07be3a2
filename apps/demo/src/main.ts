import 'reflect-metadata';
import { loadConfig } from './config.js';
import { createDemoApp } from './create-app.js';
import { describeDatabase } from './database.js';
import { choosePort, passkeysOf } from './origin.js';
import { explainStartProblem } from './start-problem.js';

async function bootstrap(): Promise<void> {
  const config = await choosePort(loadConfig());
  const app = await createDemoApp(config);
  // With `useProcessExit` a SIGTERM ends in code 0 once everything is closed.
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
  await app.listen(config.port);
  const { port } = app.getHttpServer().address() as { port: number };
  console.log(`
  nestjs-mfa demo   http://localhost:${port}
  OpenAPI           http://localhost:${port}/docs
  data              ${describeDatabase(config)}
  keys              ${config.keysFrom}
  passkeys          at ${passkeysOf(config).origins.join()}
`);
}

bootstrap().catch((error: unknown) => {
  console.error('Cannot start:', explainStartProblem(error));
  process.exit(1);
});
