import { createApp } from './express.js'; // or './fastify.js'

const app = await createApp();
await app.listen(process.env.PORT ?? 3000);
