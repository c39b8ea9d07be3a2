import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Controller, Get, Inject } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startHostApp } from '../support/host-app.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('S75 two copies of the package', () => {
  let folder: string;
  beforeAll(async () => {
    await mkdir(join(root, '.data'), { recursive: true });
    folder = await mkdtemp(join(root, '.data/copy-'));
    // The compiler of the tests looks for the setting of decorators here.
    const tsconfig = { extends: '../../tsconfig.json', include: ['nestjs-mfa'] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
    const sources = join(root, 'libs/mfa/src');
    await cp(sources, join(folder, 'nestjs-mfa/src'), {
      recursive: true,
      filter: (path) => !path.endsWith('.spec.ts'),
    });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('boot when they are one copy that a test runner evaluates repeatedly', async () => {
    vi.resetModules();
    await import('nestjs-mfa');
    await (await startHostApp()).close();
  });

  it('end the boot with an error that names their places and the remedy', async () => {
    const copy = (await import(join(folder, 'nestjs-mfa/src/index.ts'))) as typeof import('nestjs-mfa');

    @Controller('of-copy')
    class OfCopy {
      constructor(readonly challenges: InstanceType<typeof copy.MfaChallengeService>) {}

      @Get()
      @copy.RequireMfa()
      guarded() {
        return {};
      }
    }
    Inject(copy.MfaChallengeService)(OfCopy, undefined, 0);

    const refusal = await startHostApp({ controllers: [OfCopy] }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'MFA_MISCONFIGURED' });
    const { message } = refusal as Error;
    expect(message).toContain(`2 copies of nestjs-mfa are loaded (${join(root, 'libs/mfa')} and ${folder}/nestjs-mfa)`);
    expect(message).toMatch(/npm ls nestjs-mfa.*npm dedupe/);
  });
});
