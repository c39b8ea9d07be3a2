/** P7: a TOTP check in relation to three bare HMACs, an mfa_token check in relation to one of a bare HMAC token. */
import { createHmac, createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { libraryFile } from '../library.mjs';
import { median, rounded } from '../load/statistics.mjs';
import { readBareToken, signBareToken } from '../servers/bare-http.mjs';
import { wrongCode } from '../servers/totp.mjs';

const CALLS = 5_000;

/** Microseconds of each, and the medians of the rounds' ratios. */
export async function measurePureChecks({ rounds, key }) {
  const totp = await totpChecks();
  const token = await tokenChecks(key);
  return { totp: compare(totp, rounds * 5), token: compare(token, rounds * 5) };
}

async function totpChecks() {
  const { matchStep } = await libraryModule('domain/totp/totp.js', 'matchStep');
  const secret = randomBytes(20);
  const counter = randomBytes(8);
  const nowMs = Date.now();
  const code = wrongCode(secret, nowMs);
  const parameters = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 };
  return {
    bare: () => {
      for (let step = 0; step < 3; step++) createHmac('sha1', secret).update(counter).digest();
    },
    library: () => matchStep({ secret, code, parameters, window: 1, nowMs }),
  };
}

async function tokenChecks(key) {
  const { KeyRing } = await libraryModule('domain/secrets/key-ring.js', 'KeyRing');
  const { readMfaToken, signMfaToken } = await libraryModule('challenge/mfa-token.js', 'readMfaToken');
  const nowMs = Date.now();
  const claims = { userId: randomUUID(), tokenId: randomUUID(), securityStamp: nowMs };
  const params = { keyRing: new KeyRing([{ id: 'bench', secret: key }]), issuer: 'Bench', lifetimeSeconds: 300, nowMs };
  const token = signMfaToken(claims, params);
  if (readMfaToken(token, params)?.userId !== claims.userId) throw new Error('readMfaToken refused a good token');
  const bareKey = createSecretKey(Buffer.from(key));
  const bare = signBareToken({ ...claims, expiresAtMs: nowMs + 300_000 }, bareKey);
  return { bare: () => readBareToken(bare, bareKey, nowMs), library: () => readMfaToken(token, params) };
}

/** What the package does not export may move. */
async function libraryModule(path, name) {
  const found = await import(libraryFile(path)).catch(() => ({}));
  if (found[name]) return found;
  throw new Error(`the library has no ${name} in ${path} any more: teach bench/micro/pure-checks.mjs where it is`);
}

function compare({ bare, library }, rounds) {
  const results = [];
  for (let round = -3; round < rounds; round++) {
    const result = { bareUs: timeOf(bare), libraryUs: timeOf(library) };
    if (round >= 0) results.push(result);
  }
  return {
    bareUs: rounded(median(results.map(({ bareUs }) => bareUs))),
    libraryUs: rounded(median(results.map(({ libraryUs }) => libraryUs))),
    ratio: rounded(median(results.map(({ bareUs, libraryUs }) => libraryUs / bareUs))),
  };
}

function timeOf(work) {
  const startedAt = performance.now();
  for (let call = 0; call < CALLS; call++) work();
  return ((performance.now() - startedAt) * 1_000) / CALLS;
}
