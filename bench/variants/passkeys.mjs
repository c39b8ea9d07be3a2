/** Users with a passkey in software, whose rows are written directly: each first passkey would cost ten Argon2. */
import { randomBytes } from 'node:crypto';

const RP_ID = 'localhost';
const ORIGIN = 'http://localhost:3000';
/** The option of the module. */
export const PASSKEYS = { passkeys: { rpId: RP_ID, origins: [ORIGIN] } };

/** Few, but more than requests in flight, so that no two of them wait for the same row. */
const USERS = 500;
/** What is before the public key in the authenticator data: header, model, and the id with its length (WebAuthn §6.1). */
const KEY_AT = 37 + 16 + 2 + 32;

/** A synced passkey in software and what a server stores of it, in base64url. */
export async function createPasskey(algorithm = 'ES256') {
  // Loaded late, because the library is built at the start of the run.
  const { VirtualPasskey } = await import('nestjs-mfa/testing');
  const key = new VirtualPasskey({ origin: ORIGIN, algorithm, synced: true });
  const userHandle = randomBytes(64).toString('base64url');
  const { id, response } = key.create({
    rp: { id: RP_ID },
    user: { id: userHandle },
    challenge: randomBytes(32).toString('base64url'),
    pubKeyCredParams: [-8, -7, -257].map((alg) => ({ alg })),
  });
  const publicKey = Buffer.from(response.authenticatorData, 'base64url').subarray(KEY_AT).toString('base64url');
  return { key, userHandle, credentialId: id, publicKey, spki: Buffer.from(response.publicKey, 'base64url') };
}

/** Enrolls some users with a passkey. Returns `[{ userId, key }]`. */
export async function createPasskeyUsers(server) {
  const users = [];
  for (let n = 0; n < USERS; n++) users.push({ userId: `bench-passkey-${n}`, ...(await createPasskey()) });
  await server.ask('addPasskeyUsers', {
    users: users.map(({ userId, userHandle, credentialId, publicKey }) => {
      return { userId, userHandle, credentialId, publicKey };
    }),
  });
  return users.map(({ userId, key }) => ({ userId, key }));
}
