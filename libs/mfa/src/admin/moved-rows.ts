import { Injectable } from '@nestjs/common';
import { type AccountSnapshot, activeAuthenticators } from '../domain/accounts/account.js';
import { movedId } from '../domain/accounts/moved-account.js';
import { ORPHAN_GRACE_MS } from '../domain/accounts/orphan-grace.js';
import { MfaUserMoveStore } from '../domain/accounts/user-move.store.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import { MfaClock } from '../domain/clock.js';
import { importMarkerOf } from '../domain/deterministic-uuid.js';
import { isMfaError, MfaError } from '../domain/mfa-error.js';
import { MfaPolicySeenStore, type PolicySighting } from '../domain/policy/policy-seen.store.js';
import { type SealContext, SecretBox } from '../domain/secrets/secret-box.js';
import type { SpentEntry } from '../domain/usage/usage.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';

/** A move, with the ids that it goes from and to. */
export interface Move {
  from: string;
  to: string;
}

/** Copies the rows of a user to another id. Each method can be repeated. */
// S123
@Injectable()
export class MovedRows {
  constructor(
    private readonly moves: MfaUserMoveStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly codes: MfaBackupCodeStore,
    private readonly usage: MfaUsageStore,
    private readonly policiesSeen: MfaPolicySeenStore,
    private readonly box: SecretBox,
    private readonly clock: MfaClock,
  ) {}

  /**
   * Reads and re-encrypts the rows, and returns what inserts them. They have an expiry, so that the cleanup removes them if no
   * account names them in the end.
   */
  async prepareCopies(source: AccountSnapshot, move: Move): Promise<() => Promise<void>> {
    const { from, to } = move;
    const expiresAtMs = this.clock.nowMs() + ORPHAN_GRACE_MS;
    const authenticators = activeAuthenticators(source).map((row) => {
      const id = movedId(row.id, to);
      const secret = this.reencrypted(row.secret, { purpose: 'totp-secret', userId: from, credentialId: row.id }, to);
      return { ...row, id, userId: to, secret, expiresAtMs, setupBinding: null };
    });
    const { backupSetId } = source.account;
    const codes = backupSetId === null ? [] : await this.codes.list(from, backupSetId);
    const copies = codes.map((row) => {
      const hash = this.reencrypted(row.hash, { purpose: 'backup-code', userId: from, credentialId: row.id }, to);
      return { ...row, id: movedId(row.id, to), userId: to, setId: movedId(row.setId, to), hash, expiresAtMs };
    });
    return async () => {
      // The rows of an interrupted move get a new expiry before the cleanup finds them.
      const ids = authenticators.map(({ id }) => id);
      await this.authenticators.collectAfter(to, ids, expiresAtMs);
      if (backupSetId !== null) await this.codes.collectAfter(to, movedId(backupSetId, to), expiresAtMs);
      await this.moves.copyAuthenticators(authenticators);
      await this.moves.copyBackupCodes(copies);
      await this.copyUsage(move);
    };
  }

  /** Copies what is spent, and returns it as it is under the new id. */
  async copyUsage({ from, to }: Move): Promise<SpentEntry[]> {
    const spent = (await this.usage.list(from)).map((entry) => ({ ...entry, item: movedItem(entry, { from, to }) }));
    await this.moves.copyUsage(to, spent);
    return spent;
  }

  /** When the user was first seen under each policy, where the new id has no time or a later one. */
  async sightingsToCopy({ from, to }: Move): Promise<PolicySighting[]> {
    const sightings = await this.policiesSeen.list(from);
    if (sightings.length === 0) return [];
    const known = new Map((await this.policiesSeen.list(to)).map((each) => [each.policyId, each.firstSeenAtMs]));
    return sightings.filter(({ policyId, firstSeenAtMs }) => firstSeenAtMs < (known.get(policyId) ?? Infinity));
  }

  // S101
  async copySightings(move: Move): Promise<void> {
    await this.moves.copySightings(move.to, await this.sightingsToCopy(move));
  }

  /** @throws MfaError `MFA_MISCONFIGURED`, before anything is changed, if no key opens it */
  private reencrypted(sealed: string, context: SealContext, to: string): string {
    try {
      const plaintext = this.box.open(sealed, context);
      return this.box.seal(plaintext, { ...context, userId: to, credentialId: movedId(context.credentialId, to) });
    } catch (error) {
      if (!isMfaError(error)) throw error;
      const message = `MfaAdminService.moveUser: a stored ${context.purpose} cannot be opened. Add its key to the option \`keys\``;
      throw new MfaError('MFA_MISCONFIGURED', { message, cause: error });
    }
  }
}

function movedItem({ kind, item }: SpentEntry, { from, to }: Move): string {
  if (kind === 'backup_code') return movedId(item, to);
  if (kind === 'import') return item === importMarkerOf(from) ? importMarkerOf(to) : item;
  if (kind !== 'totp') return item;
  const [id, step] = [item.slice(0, 36), item.slice(36)];
  return movedId(id, to) + step;
}
