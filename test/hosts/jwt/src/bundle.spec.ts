import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

describe('the application in one file', () => {
  it('starts, with native packages left out of the bundle', async () => {
    execFileSync('npx', ['tsc', '-p', 'tsconfig.build.json']);
    execFileSync(process.execPath, ['bundle.mjs']);
    const server = spawn(process.execPath, ['bundle/main.mjs'], { env: { ...process.env, PORT: '0' } });
    let output = '';
    for (const stream of [server.stdout, server.stderr]) stream.on('data', (chunk) => (output += chunk));
    const exited = once(server, 'exit');
    const started = new Promise((resolve) => server.stdout.on('data', () => /started/.test(output) && resolve(null)));
    await Promise.race([started, exited]);
    server.kill();
    await exited;
    expect(output).toContain('MFA routes below /mfa');
    expect(output).toContain('Nest application successfully started');
  }, 120_000);
});
