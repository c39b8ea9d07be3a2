import { createServer } from 'node:net';
import type { MfaPasskeyOptions } from 'nestjs-mfa';
import { ConfigError } from './config-error.js';

/**
 * The variable ORIGIN in the spelling of browsers.
 * @throws ConfigError where browsers have no passkeys at such an origin
 */
export function parseOrigin(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isOriginOnly = url && url.pathname === '/' && `${url.search}${url.hash}${url.username}${url.password}` === '';
  if (!isOriginOnly || !mayHavePasskeys(url)) {
    throw new ConfigError(
      'ORIGIN',
      'must be the address of the page without a path: https:// and a domain, for example ORIGIN=https://mfa.example.com, or http://localhost with a port. Browsers have no passkeys on IP addresses, and none on http: outside localhost',
    );
  }
  return url.origin;
}

/** A domain under https, or localhost. The library checks the spelling of the domain once more. */
function mayHavePasskeys({ protocol, hostname }: URL): boolean {
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return ['http:', 'https:'].includes(protocol);
  const isDomain = /^[a-z\d-]+(\.[a-z\d-]+)+$/.test(hostname) && !/\.\d+$/.test(hostname);
  return protocol === 'https:' && isDomain;
}

/** The page's origin decides where passkeys work: ORIGIN, or the port on localhost. */
export function passkeysOf({ origin, port }: { origin?: string | undefined; port: number }): MfaPasskeyOptions {
  const { hostname, origin: own } = new URL(origin ?? `http://localhost:${port}`);
  return { rpId: hostname, origins: [own] };
}

/** Replaces port 0 by a free port, because the origin must be known before the application starts. */
export async function choosePort<T extends { port: number }>(config: T): Promise<T> {
  return config.port === 0 ? { ...config, port: await freePort() } : config;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
