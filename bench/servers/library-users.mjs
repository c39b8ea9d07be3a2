/** Users of the library, made by its own services, and many more cloned from such a one. */
import { createHash, randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import {
  MfaAccountEntity,
  MfaAuthenticatorEntity,
  MfaEnrollmentService,
  MfaPasskeyEntity,
  TotpService,
} from 'nestjs-mfa';
import { codeOf, currentStep } from './totp.mjs';
import { authenticatorIdOf, userIdOf } from './user-ids.mjs';

export const SAMPLE = 'bench-sample';
const CHUNK = 500;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Enrolls one user through the services; answers the backup codes and the authenticator's id. */
async function enroll(app, userId) {
  const enrollment = app.get(MfaEnrollmentService);
  const principal = { userId, accountName: `${userId}@example.test` };
  const { secret, authenticatorId } = await enrollment.setup(principal, {});
  const code = codeOf(fromBase32(secret), currentStep(Date.now()));
  const { backupCodes } = await enrollment.confirm(principal, code);
  return { backupCodes, authenticatorId };
}

/** A sample row of every table, that the clones are made from whatever columns it has. */
export async function sampleRows(app) {
  const dataSource = app.get(DataSource);
  const accounts = dataSource.getRepository(MfaAccountEntity);
  if (!(await accounts.findOneBy({ userId: SAMPLE }))) await enroll(app, SAMPLE);
  const account = await accounts.findOneBy({ userId: SAMPLE });
  const authenticator = await dataSource.getRepository(MfaAuthenticatorEntity).findOneBy({ userId: SAMPLE });
  return { account: { ...account, backupSetId: null }, authenticator };
}

/** Users `from` to `to` (exclusive) with one authenticator each, all of the same secret, each sealed for its owner. */
export async function addUsers(app, { from, to, secret }) {
  const sample = await sampleRows(app);
  const dataSource = app.get(DataSource);
  const totp = app.get(TotpService);
  const base32 = toBase32(Buffer.from(secret, 'hex'));
  for (let start = from; start < to; start += CHUNK) {
    const userIds = Array.from({ length: Math.min(CHUNK, to - start) }, (_, index) => userIdOf(start + index));
    await insert(
      dataSource,
      MfaAccountEntity,
      userIds.map((userId) => accountOf(sample, userId)),
    );
    await insert(
      dataSource,
      MfaAuthenticatorEntity,
      userIds.map((userId) => authenticatorOf(sample, userId, totp, base32)),
    );
  }
}

function accountOf({ account }, userId) {
  return { ...account, userId, activeIds: `totp:${authenticatorIdOf(userId)}` };
}

function authenticatorOf({ authenticator }, userId, totp, base32) {
  const id = authenticatorIdOf(userId);
  return { ...authenticator, id, userId, secret: totp.encryptSecret(base32, { userId, authenticatorId: id }) };
}

const insert = (dataSource, entity, rows) =>
  dataSource.createQueryBuilder().insert().into(entity).values(rows).updateEntity(false).execute();

/** Users with backup codes, by the services alone (ten Argon2 each); answers `[{ userId, codes }]`. */
export async function addBackupUsers(app, { count }) {
  const users = [];
  for (let n = 0; n < count; n++) {
    const userId = `bench-backup-${n}`;
    const { backupCodes: codes } = await enroll(app, userId);
    users.push({ userId, codes });
  }
  return users;
}

/** Users with a passkey alone: `[{ userId, userHandle, credentialId, publicKey }]`, in base64url. Their rows need no Argon2. */
export async function addPasskeyUsers(app, { users }) {
  const { account } = await sampleRows(app);
  const dataSource = app.get(DataSource);
  const ids = users.map(() => randomUUID());
  const accountRow = ({ userId, userHandle }, index) => {
    return { ...account, userId, userHandle, activeIds: `passkey:${ids[index]}` };
  };
  const passkeyRow = ({ userId, credentialId, publicKey }, index) => {
    const credentialHash = createHash('sha256').update(Buffer.from(credentialId, 'base64url')).digest('hex');
    return { ...SYNCED, id: ids[index], userId, credentialId, credentialHash, publicKey, createdAt: Date.now() };
  };
  await insert(dataSource, MfaAccountEntity, users.map(accountRow));
  await insert(dataSource, MfaPasskeyEntity, users.map(passkeyRow));
}

/** What is stored of a synced passkey that a phone made. */
const SYNCED = {
  ...{ counter: 0, transports: 'internal,hybrid', backupEligible: true, backedUp: true, userVerified: true },
  ...{ aaguid: '00000000-0000-0000-0000-000000000000', name: 'Phone', lastUsedAt: null, expiresAt: null },
};

export function toBase32(bytes) {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits
    .match(/.{5}/g)
    .map((five) => BASE32[parseInt(five, 2)])
    .join('');
}

function fromBase32(text) {
  const bits = Array.from(text, (symbol) => BASE32.indexOf(symbol).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g).map((eight) => parseInt(eight, 2)));
}
