import type { BackupCode } from '../domain/backup-codes/backup-code.js';
import type { SpentEntry } from '../domain/usage/usage.js';
import { isActive, isEnabled, toUserId } from '../domain/accounts/account.js';
import type { SourceRow } from './import-source.js';
import { type ImportRun, pages } from './import-run.js';
import type { ImportTools } from './import-tools.js';
import { importedCode } from './imported-code.js';
import { idsOf } from './imported-rows.js';
import type { SourceUser } from './read-user.js';
import { readFlag } from './source-values.js';

/** A backup code that is unused in the old system and must not be accepted there any more. */
export interface MfaSpentCode {
  userId: string;
  /** As the old table has it. */
  hash: string;
  /** `used` = it was accepted here. `replaced` = its owner made new codes here, or disabled MFA. */
  reason: 'used' | 'replaced';
  /** ISO 8601. `null` = the time is unknown. */
  usedAt: string | null;
}

/** A user whose imported authenticator was removed here. */
export interface MfaChangedUser {
  userId: string;
  /** `disabled` = the user has no factor now. `replaced` = the user has other factors. */
  reason: 'disabled' | 'replaced';
}

/** The changes that the old system must take over before it goes back into service. */
export interface MfaChangesSinceImport {
  backupCodes: MfaSpentCode[];
  users: MfaChangedUser[];
}

/** The old tables, and the stores they are compared with. */
export type ChangesRun = Pick<ImportRun, 'mapping' | 'source' | 'signal'> & {
  tools: Pick<ImportTools, 'accounts' | 'backupCodes' | 'usage'>;
};

/**
 * Lists what changed here since the import. Reads only. Users who were never imported are left out.
 * @returns `null` when it was interrupted
 * @throws MfaError `MFA_BUSY`
 */
export async function listChanges(run: ChangesRun): Promise<MfaChangesSinceImport | null> {
  const changes: MfaChangesSinceImport = { backupCodes: [], users: [] };
  for await (const users of pages(run)) {
    for (const user of users) {
      if (run.signal?.aborted) return null;
      const userId = toUserId(user.row.userId);
      if (userId !== null) await addChanges(changes, userId, user, run);
    }
  }
  return changes;
}

async function addChanges(changes: MfaChangesSinceImport, userId: string, { codes }: SourceUser, run: ChangesRun) {
  const { authenticatorId, setId, marker } = idsOf(userId);
  const snapshot = await run.tools.accounts.load(userId);
  if (!snapshot) return;
  const spent = await run.tools.usage.list(userId);
  const { backupSetId } = snapshot.account;
  const active = isActive(snapshot.account, authenticatorId);
  if (!active && !spent.some(({ kind, item }) => kind === 'import' && item === marker)) return;
  if (!active) changes.users.push({ userId, reason: isEnabled(snapshot) ? 'replaced' : 'disabled' });
  const open = codes.filter(({ hash, usedAt }) => typeof hash === 'string' && readFlag(usedAt) !== true);
  const used =
    open.length > 0 ? usesOf(spent, await run.tools.backupCodes.list(userId, setId)) : new Map<string, string | null>();
  const spelling = run.mapping.backupCodes?.spelling ?? 'plain';
  for (const { hash } of open as (SourceRow & { hash: string })[]) {
    const { id } = importedCode(userId, spelling, hash);
    const usedAt = used.get(id);
    if (usedAt !== undefined) changes.backupCodes.push({ userId, hash, reason: 'used', usedAt });
    else if (backupSetId !== setId) changes.backupCodes.push({ userId, hash, reason: 'replaced', usedAt: null });
  }
}

/** When the codes of a set were used, by their ids. */
function usesOf(spent: readonly SpentEntry[], codes: readonly BackupCode[]): Map<string, string | null> {
  const uses = new Map<string, string | null>();
  for (const { kind, item, spentAtMs } of spent) {
    if (kind === 'backup_code') uses.set(item, new Date(spentAtMs).toISOString());
  }
  for (const { id, usedAtMs } of codes) if (usedAtMs !== null) uses.set(id, new Date(usedAtMs).toISOString());
  return uses;
}
