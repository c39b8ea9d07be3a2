import { existsSync } from 'node:fs';
import { connect } from 'node:net';

/**
 * What the machine offers beyond Node: looked up once before all tests and told to them through the
 * environment. With `MFA_TEST_REQUIRE_ALL=1` (continuous integration) anything missing is a failure.
 */
const SERVERS = { postgres: 5432, mariadb: 3306 } as const;
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 2_000 });
    const finish = (result: boolean) => () => (socket.destroy(), resolve(result));
    socket.once('connect', finish(true)).once('error', finish(false)).once('timeout', finish(false));
  });
}

let skipped: string[] = [];

export async function setup(): Promise<void> {
  const databases = ['sqlite'];
  for (const [name, port] of Object.entries(SERVERS)) {
    if (await answers(port)) databases.push(name);
    else skipped.push(`${name} (nothing answers on 127.0.0.1:${port})`);
  }
  const browser = [process.env.CHROMIUM_PATH ?? '', ...BROWSERS].find((path) => path !== '' && existsSync(path));
  if (!browser) skipped.push('Chromium (set CHROMIUM_PATH where it lives elsewhere)');

  process.env.MFA_TEST_DATABASES = databases.join(',');
  process.env.MFA_TEST_BROWSER = browser ?? '';
  if (skipped.length > 0 && process.env.MFA_TEST_REQUIRE_ALL === '1') {
    throw new Error(`MFA_TEST_REQUIRE_ALL=1, but these are missing: ${skipped.join(', ')}`);
  }
}

export function teardown(): void {
  if (skipped.length > 0) console.log(`\nNot tested, because missing here: ${skipped.join(', ')}\n`);
}
