import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface DemoProcess {
  url: string;
  /** Ends it by SIGTERM; answers the exit code. */
  stop(): Promise<number | null>;
}

/** The built demo in a process of its own. */
export async function startDemoProcess(env: Record<string, string>): Promise<DemoProcess> {
  const port = await freePort();
  const child = spawn(process.execPath, ['scripts/start.mjs'], {
    env: { ...process.env, NODE_ENV: 'test', ...env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr.on('data', (text: Buffer) => (output += text.toString()));
  const url = `http://127.0.0.1:${port}`;
  const exited = once(child, 'exit') as Promise<[number | null]>;
  for (let waited = 0; ; waited += 100) {
    if (child.exitCode !== null || waited > 40_000) throw new Error(`the demo did not start:\n${output}`);
    const up = await fetch(`${url}/auth/me`)
      .then(() => true)
      .catch(() => false);
    if (up) break;
    await sleep(100);
  }
  return {
    url,
    stop: async () => {
      child.kill('SIGTERM');
      return (await exited)[0];
    },
  };
}

export const temporaryFolder = () => mkdtempSync(join(tmpdir(), 'mfa-demo-'));
