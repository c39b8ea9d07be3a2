import { createHash } from 'node:crypto';

/** Computes a lower-case UUID from names: the same names return the same UUID on every machine (SHA-256 in an RFC 9562 version 8 UUID). */
export function deterministicUuid(...names: readonly string[]): string {
  const bytes = createHash('sha256')
    .update(JSON.stringify(['nestjs-mfa', ...names]))
    .digest()
    .subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The id of the authenticator that an import writes for a user. */
export const importedAuthenticatorId = (userId: string): string => deterministicUuid('imported authenticator', userId);

/** What is spent when an import of a user is complete, and never removed. */
export const importMarkerOf = (userId: string): string => `import:${importedAuthenticatorId(userId)}`;
