import { join, resolve } from 'node:path';
import { keepKeys, parseKeys, type DemoKey } from './keys.js';
import { ConfigError } from './config-error.js';
import { parseOrigin } from './origin.js';

export type DemoHttpAdapter = 'express' | 'fastify';

/** Everything the demo can be told from outside; {@link loadConfig} reads it from the environment. */
export interface DemoConfig {
  /** TCP port; 0 takes a free one. */
  port: number;
  httpAdapter: DemoHttpAdapter;
  /** Origin of the page, where it is not `http://localhost` with the port: passkeys work there only. */
  origin?: string | undefined;
  /** Whether the cookie of a trusted browser works over https only. */
  secureDevices: boolean;
  /** Absolute path of the folder of the SQLite file and of the kept keys. */
  dataDir: string;
  /** `postgres:`, `mysql:` or `mariadb:` URL; without it a SQLite file in `dataDir`. */
  databaseUrl?: string;
  /** The name that authenticator apps show. */
  issuer: string;
  /** The first one writes, all can read. */
  keys: DemoKey[];
  /** Where the keys come from, to be said at start. */
  keysFrom: string;
}

const DATABASE_PROTOCOLS = ['postgres:', 'postgresql:', 'mysql:', 'mariadb:'];

/**
 * The configuration from environment variables. Makes random keys in the data folder on first use.
 * @throws ConfigError naming the variable and the remedy.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, cwd = process.cwd()): DemoConfig {
  const dataDir = resolve(cwd, given(env.DATA_DIR) ?? join('.data', 'demo'));
  const keysFile = join(dataDir, 'keys');
  const databaseUrl = parseDatabaseUrl(given(env.DATABASE_URL));
  const ownKeys = given(env.MFA_KEYS);
  const origin = parseOrigin(given(env.ORIGIN));
  return {
    port: parsePort(given(env.PORT)),
    httpAdapter: parseAdapter(given(env.HTTP_ADAPTER)),
    origin,
    secureDevices: env.NODE_ENV === 'production' || origin?.startsWith('https:') === true,
    dataDir,
    databaseUrl,
    issuer: 'MFA demo',
    keys: ownKeys === undefined ? keepKeys(keysFile) : parseKeys(ownKeys, 'MFA_KEYS'),
    keysFrom: ownKeys === undefined ? keysFile : 'MFA_KEYS',
  };
}

/** An empty variable counts as not set: that is what `PORT= npm start` and empty compose entries mean. */
function given(value: string | undefined): string | undefined {
  const trimmed = value?.trim();
  return trimmed === '' ? undefined : trimmed;
}

function parsePort(value: string | undefined): number {
  if (value === undefined) return 3000;
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) {
    throw new ConfigError('PORT', 'must be a whole number from 0 to 65535, for example PORT=3000');
  }
  return Number(value);
}

function parseAdapter(value: string | undefined): DemoHttpAdapter {
  if (value === undefined) return 'express';
  if (value !== 'express' && value !== 'fastify') {
    throw new ConfigError('HTTP_ADAPTER', 'must be express (the default) or fastify');
  }
  return value;
}

function parseDatabaseUrl(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !DATABASE_PROTOCOLS.includes(url.protocol) || url.hostname === '' || url.pathname.length < 2) {
    throw new ConfigError(
      'DATABASE_URL',
      'must look like postgres://user:password@host:5432/database (or mysql:, mariadb:); leave it out for a SQLite file',
    );
  }
  return value;
}
