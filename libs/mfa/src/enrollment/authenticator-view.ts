import type { AccountSnapshot } from '../domain/accounts/account.js';
import type { Credential, Factor } from '../domain/factors/factor.js';

/** A confirmed authenticator, as its owner sees it. */
export interface MfaAuthenticatorView {
  id: string;
  /** The kind of credential: `totp`, `passkey`, or the method of a factor of the host. */
  type: string;
  name: string;
  /** When its setup started. Unlike the name, it cannot be changed. */
  createdAt: Date;
  /** `null` = not since its confirmation. */
  lastUsedAt: Date | null;
  /** Present only if the secret was imported with fewer than 128 bits. Enroll again to replace it. */
  // S6
  weak?: true;
}

/** The confirmed authenticators of a user, in the order in which they were confirmed. */
export async function authenticatorViews(
  snapshot: AccountSnapshot,
  factors: readonly Factor[],
): Promise<MfaAuthenticatorView[]> {
  const order = snapshot.account.activeFactors.map(({ id }) => id);
  const views: MfaAuthenticatorView[] = [];
  for (const factor of factors) {
    const isHeld = snapshot.account.activeFactors.some(({ type }) => type === factor.method);
    if (isHeld) views.push(...(await factor.describe(snapshot)).map((each) => authenticatorView(factor.method, each)));
  }
  return views.sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
}

/** The owner's view of a credential. */
export function authenticatorView(
  type: string,
  { id, name, createdAtMs, lastUsedAtMs, weak }: Credential,
): MfaAuthenticatorView {
  return {
    id,
    type,
    name,
    createdAt: new Date(createdAtMs),
    lastUsedAt: lastUsedAtMs === null ? null : new Date(lastUsedAtMs),
    ...(weak ? { weak } : {}),
  };
}
