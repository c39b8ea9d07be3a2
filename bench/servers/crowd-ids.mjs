import { createHash } from 'node:crypto';

/** Ids in no order at all, as UUIDs are. */
export const crowdUserId = (n) => uuidOf(`user ${n}`);
export const crowdAuthenticatorId = (n) => uuidOf(`authenticator ${n}`);

function uuidOf(text) {
  const hex = createHash('md5').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
