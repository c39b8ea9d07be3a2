import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ModuleRef, ModulesContainer } from '@nestjs/core';
import type { SchedulerRegistry } from '@nestjs/schedule';
import { activeIdsOf, type MfaAccount } from '../domain/accounts/account.js';
import { MfaAccountStore, type AccountChange } from '../domain/accounts/account.store.js';
import { MfaAuditStore } from '../domain/audit/audit.store.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaBackupCodeStore, type ExpiredBackupSet } from '../domain/backup-codes/backup-code.store.js';
import type { CredentialRowsStore, ExpiredCredential } from '../domain/credentials/credential-rows.store.js';
import { MfaDeviceStore } from '../domain/devices/device.store.js';
import { MfaClock } from '../domain/clock.js';
import { HOST_TABLES, type HostTables } from '../domain/host-tables.js';
import { MfaPasskeyStore } from '../domain/passkeys/passkey.store.js';
import { CLOCK_SKEW_MS } from '../domain/usage/usage.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { PacedBatches } from './paced-batches.js';
import type { MfaPurgeReport } from './purge-report.js';

/** Name of the interval in the host's `SchedulerRegistry`. */
export const MFA_CLEANUP_INTERVAL = 'nestjs-mfa:cleanup';

/** An expired row, with its store and the `type` under which an account names it. */
type CollectedCredential = ExpiredCredential & { type: string; store: CredentialRowsStore };

/**
 * Removes expired rows in bounded batches: used codes, abandoned setups, replaced backup codes, passkeys that no account
 * names, expired devices, old events, and rows of the host's tables in the option `cleanup.tables`. Runs on a schedule.
 * Several instances may run it at once, because each removal is one conditional statement.
 * @example
 * // With `cleanup: false`, for example from a cron job:
 * const { usage, hostRows } = await this.cleanup.purge();
 */
// S61
@Injectable()
@ThrowsMfaException()
export class MfaCleanupService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('nestjs-mfa');
  private readonly closing = new AbortController();
  private readonly batches: PacedBatches;
  private timer: NodeJS.Timeout | null = null;
  private registry: SchedulerRegistry | null = null;
  private running: Promise<MfaPurgeReport> | null = null;

  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly codes: MfaBackupCodeStore,
    private readonly passkeys: MfaPasskeyStore,
    private readonly usage: MfaUsageStore,
    private readonly devices: MfaDeviceStore,
    private readonly audit: MfaAuditStore,
    @Inject(HOST_TABLES) private readonly hostTables: HostTables,
    private readonly clock: MfaClock,
    private readonly moduleRef: ModuleRef,
    private readonly modules: ModulesContainer,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {
    const limit = () => Math.min(options.cleanup.batchSize, hostTables.largestPurge);
    this.batches = new PacedBatches(limit, this.closing.signal);
  }

  async onApplicationBootstrap(): Promise<void> {
    if (!this.options.cleanup.enabled) return;
    this.timer = setInterval(() => void this.runScheduled(), this.options.cleanup.intervalMs);
    // The timer alone must not keep the process alive.
    this.timer.unref();
    this.registry = await this.findRegistry();
    this.registry?.addInterval(MFA_CLEANUP_INTERVAL, this.timer);
  }

  async onModuleDestroy(): Promise<void> {
    this.closing.abort();
    if (this.timer) clearInterval(this.timer);
    if (this.registry?.doesExist('interval', MFA_CLEANUP_INTERVAL)) this.registry.deleteInterval(MFA_CLEANUP_INTERVAL);
    await this.running?.catch(() => undefined);
  }

  /**
   * Removes all expired rows. A call during a run returns the result of that run.
   * @throws MfaException `MFA_BUSY`, after every table was tried
   */
  purge(): Promise<MfaPurgeReport> {
    this.running ??= this.purgeAll().finally(() => (this.running = null));
    return this.running;
  }

  private async runScheduled(): Promise<void> {
    try {
      await this.purge();
    } catch (error) {
      this.logger.error(
        `Cleanup failed. The next interval tries again: ${error instanceof Error ? error.message : 'error'}`,
      );
    }
  }

  private async purgeAll(): Promise<MfaPurgeReport> {
    const nowMs = this.clock.nowMs();
    // S61: another instance with a slower clock may still need a row. The expiry of usage rows includes this margin.
    const skewed = nowMs - CLOCK_SKEW_MS;
    const failures: unknown[] = [];
    // An error in one table does not stop the others.
    const step = (work: () => Promise<number>) => work().catch((error: unknown) => (failures.push(error), 0));
    const report = {
      usage: await step(() => this.batches.purge((limit) => this.usage.purge(nowMs, limit))),
      authenticators: await step(() => this.collectCredentials('totp', this.authenticators, skewed)),
      backupSets: await step(() => this.collectBackupSets(skewed)),
      passkeys: await step(() => this.collectCredentials('passkey', this.passkeys, skewed)),
      devices: await step(() => this.batches.purge((limit) => this.devices.purge(skewed, limit))),
      audit: await step(() => this.purgeAudit(nowMs)),
      hostRows: await step(() => this.purgeHostTables(nowMs)),
    };
    if (failures.length > 0) throw failures[0];
    return report;
  }

  /** Copies the events of changes after which a process ended, and removes old events. */
  // S121
  private async purgeAudit(nowMs: number): Promise<number> {
    const { audit } = this.options;
    if (!audit) return 0;
    await this.batches.each(
      (limit) => this.audit.listUncopied(limit),
      (userId) => userId,
      async (userId) => {
        await this.audit.copyLastChange(userId);
        return true;
      },
    );
    const beforeMs = nowMs - audit.retentionMs;
    return this.batches.purge((limit) => this.audit.purge(beforeMs, limit));
  }

  private async purgeHostTables(nowMs: number): Promise<number> {
    let removed = 0;
    for (const table of this.options.cleanup.tables) {
      removed += await this.batches.purge((limit) => this.hostTables.purge(table, nowMs, limit));
    }
    return removed;
  }

  private collectCredentials(type: string, store: CredentialRowsStore, beforeMs: number): Promise<number> {
    return this.batches.each(
      (limit) => store.listExpired(beforeMs, limit),
      ({ id }) => id,
      (each) => this.collectCredential({ type, store, ...each }, beforeMs),
    );
  }

  private collectBackupSets(beforeMs: number): Promise<number> {
    return this.batches.each(
      (limit) => this.codes.listExpired(beforeMs, limit),
      ({ setId }) => setId,
      (each) => this.collectBackupSet(each, beforeMs),
    );
  }

  /** Returns `false` when another change of this account came first; the next run collects the row. */
  private async collectCredential(
    { type, store, userId, id }: CollectedCredential,
    beforeMs: number,
  ): Promise<boolean> {
    const account = (await this.accounts.load(userId))?.account;
    if (account && activeIdsOf(type, account.activeFactors).includes(id)) {
      // A confirmation or removal was interrupted. The account row decides, so the row stays.
      await store.collectAfter(userId, [id], null);
      return true;
    }
    if (!(await this.overtakes(account, account?.pendingId === id ? { pendingId: null } : {}))) return false;
    await store.removeExpired(userId, id, beforeMs);
    return true;
  }

  private async collectBackupSet({ userId, setId }: ExpiredBackupSet, beforeMs: number): Promise<boolean> {
    const account = (await this.accounts.load(userId))?.account;
    if (account?.backupSetId === setId) {
      await this.codes.collectAfter(userId, setId, null);
      return true;
    }
    if (!(await this.overtakes(account))) return false;
    await this.codes.removeExpired(userId, setId, beforeMs);
    return true;
  }

  /**
   * Raises `rowVersion` of the account before its rows are removed. A change that read the account earlier and is not yet
   * committed then fails its compare-and-swap, and reads its rows again before it names them.
   */
  private async overtakes(account: MfaAccount | undefined, change: AccountChange = {}): Promise<boolean> {
    return !account || (await this.accounts.tryCommit(account.userId, account.rowVersion, change)) === true;
  }

  /**
   * The `SchedulerRegistry` of the host, or `null` without one. `@nestjs/schedule` is imported only if the host uses its
   * `ScheduleModule`.
   */
  private async findRegistry(): Promise<SchedulerRegistry | null> {
    if (![...this.modules.values()].some(({ name }) => name === 'ScheduleModule')) return null;
    try {
      const { SchedulerRegistry } = await import('@nestjs/schedule');
      return this.moduleRef.get(SchedulerRegistry, { strict: false });
    } catch {
      return null; // Another module of the host has that name.
    }
  }
}
