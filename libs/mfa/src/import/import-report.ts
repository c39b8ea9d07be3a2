/** Why a user was not imported although the data are good. */
export const BENIGN_REASONS = ['already-imported', 'already-enabled', 'removed-since', 'not-enabled'] as const;

/** Why a user could not be imported. */
export const BAD_REASONS = [
  'user-id-unusable',
  'enabled-unclear',
  'secret-missing',
  'secret-undecryptable',
  'secret-malformed',
  'secret-impossible',
  'usage-impossible',
  'changed-since',
  'changed-meanwhile',
] as const;

/** Why a backup code was not imported. */
export const CODE_REASONS = ['not-argon2id', 'too-costly', 'used-unclear', 'without-user'] as const;

export type BenignReason = (typeof BENIGN_REASONS)[number];
export type BadReason = (typeof BAD_REASONS)[number];
export type CodeReason = (typeof CODE_REASONS)[number];

/** One row that was left out. Holds no secret, code or hash. */
export interface MfaImportSkip {
  what: 'user' | 'backup-code';
  /** As the source spells it. `null` = the row names no user. */
  userId: string | null;
  reason: BenignReason | BadReason | CodeReason;
  /** `true` = an operator must check the row. `false` = it was skipped for a good reason, for example after an earlier run. */
  bad: boolean;
}

/** What an import did, or would do. */
export interface MfaImportReport {
  /** `false` = a dry run: nothing was written. */
  applied: boolean;
  users: { read: number; imported: number; weak: number; skipped: Partial<Record<BenignReason | BadReason, number>> };
  backupCodes: { read: number; imported: number; used: number; skipped: Partial<Record<CodeReason, number>> };
  /**
   * Codes that the other system accepted recently. `spent` = refused from now on. `expired` = too old to be accepted.
   * `withoutUser` = rows of no imported user, whose codes may be accepted once more.
   */
  usage: { read: number; spent: number; expired: number; withoutUser: number };
  /** The bad rows come first. */
  skipped: MfaImportSkip[];
  /** `false` in the report file of a run that is in progress or was killed. The numbers are those of the last write. */
  finished: boolean;
  /** `true` = a signal stopped the run. The numbers cover the users until then, and the next run continues. */
  interrupted: boolean;
  /** The message of the error that ended the run early, for example a lost database. `null` = there was none. */
  failure: string | null;
  /** Whether every row was read, and was imported or skipped for a good reason. */
  ok: boolean;
}

/** Whether an operator must check a row with this reason. */
export function isBad(reason: MfaImportSkip['reason']): boolean {
  return !(BENIGN_REASONS as readonly string[]).includes(reason);
}

/** The result for one user. */
export interface UserOutcome {
  userId: string | null;
  /** `null` = imported. */
  skipped: BenignReason | BadReason | null;
  weak: boolean;
  codes: { read: number; imported: number; used: number; skipped: CodeReason[] };
  usage: { read: number; spent: number; expired: number };
}

/** Counts the outcomes of a run. */
export class ImportTally {
  private readonly report: Omit<MfaImportReport, 'skipped'>;
  private readonly bad: MfaImportSkip[] = [];
  private readonly leftAlone: MfaImportSkip[] = [];

  constructor(applied: boolean) {
    this.report = {
      applied,
      users: { read: 0, imported: 0, weak: 0, skipped: {} },
      backupCodes: { read: 0, imported: 0, used: 0, skipped: {} },
      usage: { read: 0, spent: 0, expired: 0, withoutUser: 0 },
      finished: false,
      interrupted: false,
      failure: null,
      ok: true,
    };
  }

  add({ userId, skipped, weak, codes, usage }: UserOutcome): void {
    const { users, backupCodes } = this.report;
    users.read += 1;
    if (skipped) this.skipUser(userId, skipped);
    else users.imported += 1;
    if (weak && !skipped) users.weak += 1;
    backupCodes.read += codes.read;
    backupCodes.imported += codes.imported;
    backupCodes.used += codes.used;
    codes.skipped.forEach((reason) => this.skipCode(userId, reason));
    this.report.usage.read += usage.read;
    this.report.usage.spent += usage.spent;
    this.report.usage.expired += usage.expired;
  }

  /** Rows of backup codes that belong to none of the users. */
  addStrayCodes(count: number): void {
    for (let code = 0; code < count; code += 1) this.skipCode(null, 'without-user');
  }

  /** Rows of accepted codes that belong to none of the users. */
  addStrayUsage(count: number): void {
    if (count <= 0) return;
    this.report.usage.read += count;
    this.report.usage.withoutUser = count;
    this.report.ok = false;
  }

  interrupt(): void {
    this.report.interrupted = true;
    this.report.ok = false;
  }

  fail(error: unknown): void {
    this.report.failure = error instanceof Error ? error.message : String(error);
    this.report.ok = false;
  }

  /** The report as far as the run has come. */
  soFar(): MfaImportReport {
    return { ...this.report, ok: false, skipped: [...this.bad, ...this.leftAlone] };
  }

  finish(): MfaImportReport {
    return { ...this.soFar(), ok: this.report.ok, finished: true };
  }

  private skipUser(userId: string | null, reason: BenignReason | BadReason): void {
    const { users } = this.report;
    users.skipped[reason] = (users.skipped[reason] ?? 0) + 1;
    if (!isBad(reason)) this.leftAlone.push({ what: 'user', userId, reason, bad: false });
    else {
      this.bad.push({ what: 'user', userId, reason, bad: true });
      this.report.ok = false;
    }
  }

  private skipCode(userId: string | null, reason: CodeReason): void {
    const { backupCodes } = this.report;
    backupCodes.skipped[reason] = (backupCodes.skipped[reason] ?? 0) + 1;
    this.bad.push({ what: 'backup-code', userId, reason, bad: true });
    this.report.ok = false;
  }
}
