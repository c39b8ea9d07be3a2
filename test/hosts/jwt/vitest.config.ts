import { randomBytes } from 'node:crypto';
import { defineConfig } from 'vitest/config';

const random = () => randomBytes(32).toString('base64');

export default defineConfig({
  test: {
    globals: true,
    include: ['src/**/*.spec.ts'],
    env: { JWT_SECRET: random(), MFA_KEY: random() },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
