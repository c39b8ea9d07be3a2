/** P9: processor time of a passkey check beside a bare `crypto.verify` of the same signature, and beside the peer alone. */
import { createHash, createPublicKey, randomBytes, randomUUID, verify } from 'node:crypto';
import { verifyAuthenticationResponse } from '@simplewebauthn/server';
import { libraryFile } from '../library.mjs';
import { median, rounded } from '../load/statistics.mjs';
import { createPasskey, PASSKEYS } from '../variants/passkeys.mjs';

const ALGORITHMS = ['ES256', 'EdDSA', 'RS256'];
const CALLS = 250;
const HASH_BYTES = 32;

/** By algorithm: microseconds of processor time of each, and what the library needs more. No database is asked. */
export async function measurePasskeyChecks({ rounds, key }) {
  const checks = {};
  for (const algorithm of ALGORITHMS) checks[algorithm] = await checkOf(algorithm, key);
  const results = Object.fromEntries(ALGORITHMS.map((algorithm) => [algorithm, []]));
  for (let round = -2; round < rounds; round++) {
    for (const algorithm of ALGORITHMS) {
      const { bare, peer, library } = checks[algorithm];
      const bareUs = await processorUs(bare);
      const result = { bareUs, peerUs: await processorUs(peer), libraryUs: await processorUs(library) };
      if (round >= 0) results[algorithm].push(result);
    }
  }
  return Object.fromEntries(ALGORITHMS.map((algorithm) => [algorithm, summarise(results[algorithm])]));
}

function summarise(results) {
  const of = (measure) => rounded(median(results.map(measure)));
  return {
    bareUs: of(({ bareUs }) => bareUs),
    peerUs: of(({ peerUs }) => peerUs),
    libraryUs: of(({ libraryUs }) => libraryUs),
    addedMs: of(({ bareUs, libraryUs }) => (libraryUs - bareUs) / 1_000),
  };
}

/** All that the factor does between its statements: the response's fields, the challenge, the signature, the counter. */
async function checkOf(algorithm, ringKey) {
  const passkey = await createPasskey(algorithm);
  const nowMs = Date.now();
  const { factor, challenges } = await openFactor(ringKey);
  const snapshot = snapshotOf(passkey);
  const { userId, securityStamp } = snapshot.account;
  const binding = { purpose: 'verify', binding: randomUUID() };
  const claim = { ...binding, userId, securityStamp, rpId: PASSKEYS.passkeys.rpId, state: '' };
  const random = { bytes: (count) => randomBytes(count) };
  const challenge = Buffer.from(challenges.issue(claim, { nowMs, expiresAtMs: Infinity, random }));
  const response = passkey.key.get({ rpId: PASSKEYS.passkeys.rpId, challenge: challenge.toString('base64url') });
  const proof = { kind: 'passkey', passkey: response };
  const library = async () => {
    factor.recognises(proof);
    const { match } = await factor.evaluate(proof, { snapshot, binding, nowMs });
    if (!match) throw new Error(`the library refused a right response (${algorithm})`);
  };
  return { bare: bareCheck(algorithm, passkey.spki, response.response), peer: peerCheck(passkey, response), library };
}

async function openFactor(ringKey) {
  const { PasskeyFactor } = await import(libraryFile('factors/passkey/passkey.factor.js'));
  const { WebAuthnChallenges } = await import(libraryFile('factors/passkey/webauthn-challenge.js'));
  const { KeyRing } = await import(libraryFile('domain/secrets/key-ring.js'));
  const challenges = new WebAuthnChallenges(new KeyRing([{ id: 'bench', secret: ringKey }]));
  const passkeys = { ...PASSKEYS.passkeys, userVerification: 'preferred', protectChanges: true };
  // The stores, the random source and the clock are not used by a synced passkey's check.
  return { challenges, factor: new PasskeyFactor(null, null, challenges, null, null, { passkeys }) };
}

function snapshotOf({ userHandle, credentialId, publicKey }) {
  const id = randomUUID();
  const userId = randomUUID();
  const stored = { id, userId, credentialId, publicKey, counter: 0, backupEligible: true };
  const account = { userId, securityStamp: 1, userHandle, activeFactors: [{ type: 'passkey', id }] };
  return { account, passkeys: [stored], authenticators: [], backupCodes: [] };
}

/** The signature alone: over the authenticator data and the hash of the client data. */
function bareCheck(algorithm, spki, response) {
  const [data, clientData, signature] = ['authenticatorData', 'clientDataJSON', 'signature'].map((name) =>
    Buffer.from(response[name], 'base64url'),
  );
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const digest = algorithm === 'EdDSA' ? null : 'sha256';
  const signed = Buffer.concat([data, createHash('sha256').update(clientData).digest()], data.length + HASH_BYTES);
  return () => {
    if (!verify(digest, signed, publicKey, signature)) throw new Error(`the signature is wrong (${algorithm})`);
  };
}

/** `@simplewebauthn/server` alone, which accepts any challenge here. */
function peerCheck({ credentialId, publicKey }, response) {
  const { rpId, origins } = PASSKEYS.passkeys;
  const key = new Uint8Array(Buffer.from(publicKey, 'base64url'));
  return () =>
    verifyAuthenticationResponse({
      ...{ response, expectedChallenge: () => true, expectedOrigin: origins, expectedRPID: rpId },
      ...{ requireUserVerification: false, credential: { id: credentialId, publicKey: key, counter: 0 } },
    });
}

/** Processor time of one call, in all threads of this process. */
async function processorUs(work) {
  const before = process.cpuUsage();
  for (let call = 0; call < CALLS; call++) await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CALLS;
}
