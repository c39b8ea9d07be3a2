/**
 * The software bill of materials of the published package in CycloneDX, on standard output: what `npm install` of the
 * packed library brings besides its peers. Resolves versions, and installs nothing.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emptyFolder, must, packLibrary } from './packing.mjs';

const cwd = emptyFolder('sbom');
try {
  const tarball = await packLibrary(cwd);
  writeFileSync(join(cwd, 'package.json'), '{ "name": "nestjs-mfa-consumer", "version": "0.0.0", "private": true }\n');
  await must('npm', ['install', '--package-lock-only', '--no-audit', '--no-fund', tarball], { cwd });
  execFileSync('npm', ['sbom', '--package-lock-only', '--omit', 'peer', '--sbom-format', 'cyclonedx'], {
    cwd,
    stdio: ['ignore', 'inherit', 'ignore'],
  });
} finally {
  rmSync(cwd, { recursive: true, force: true });
}
