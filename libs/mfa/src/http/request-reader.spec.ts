import { expect, it, vi } from 'vitest';

it('cannot be loaded where class-validator is missing, so that the application does not start', async () => {
  vi.doMock('class-validator/cjs/container.js', () => {
    throw new Error("Cannot find package 'class-validator'");
  });
  await expect(import('./request-reader.js')).rejects.toMatchObject({
    cause: { message: "Cannot find package 'class-validator'" },
  });
});
