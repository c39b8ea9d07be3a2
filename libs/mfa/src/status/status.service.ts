import { Inject, Injectable } from '@nestjs/common';
import { activeAuthenticators, pendingAuthenticator, type MfaAccount } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import type { Authenticator } from '../domain/authenticators/authenticator.js';
import { recipesOf } from '../domain/backup-codes/recipes.js';
import { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import { MfaClock } from '../domain/clock.js';
import { isWeakSecret } from '../domain/totp/totp.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import type { MfaMethod } from '../host/mfa-host.js';
import { methodsOf } from '../challenge/challenge.service.js';
import { toUserId } from '../host/user-id.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { SecretReader } from '../totp/secret-reader.js';

/** An active authenticator as its owner sees it. */
export interface MfaAuthenticatorView {
  id: string;
  name: string;
  createdAt: Date;
  /** `null` = not since its confirmation. */
  lastUsedAt: Date | null;
  /** There only when the secret was imported with under 128 bits: enroll again to replace it (S6). */
  weak?: true;
}

/** A user's multi-factor authentication, without any secret. */
export interface MfaStatus {
  enabled: boolean;
  methods: MfaMethod[];
  authenticators: MfaAuthenticatorView[];
  backupCodes: {
    remaining: number;
    low: boolean;
    /** There only when the codes were imported and each guess costs several hashes: regenerate them (S58). */
    regenerate?: true;
  };
  /** Whether a setup awaits its first code. */
  pendingSetup: boolean;
}

const NOTHING: MfaStatus = {
  enabled: false,
  methods: [],
  authenticators: [],
  backupCodes: { remaining: 0, low: false },
  pendingSetup: false,
};

/** Tells a user what is set up. Two statements; one where there is no set of backup codes. */
@Injectable()
@ThrowsMfaException()
export class MfaStatusService {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly codes: MfaBackupCodeStore,
    private readonly reader: SecretReader,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** @throws MfaException `MFA_BUSY` */
  async status(userId: string | number): Promise<MfaStatus> {
    const id = toUserId(userId);
    const snapshot = id === null ? null : await this.accounts.load(id);
    if (!snapshot) return structuredClone(NOTHING);
    const enabled = snapshot.account.activeIds.length > 0;
    const remaining = enabled ? snapshot.backupCodesRemaining : 0;
    return {
      enabled,
      methods: methodsOf(snapshot),
      authenticators: activeAuthenticators(snapshot).map((each) => this.viewOf(each)),
      backupCodes: {
        remaining,
        low: enabled && remaining <= this.options.backupCodes.lowAt,
        ...((await this.areCostly(snapshot.account)) ? { regenerate: true } : {}),
      },
      pendingSetup: pendingAuthenticator(snapshot, this.clock.nowMs()) !== null,
    };
  }

  private viewOf(authenticator: Authenticator): MfaAuthenticatorView {
    const { id, name, createdAtMs, lastUsedAtMs } = authenticator;
    const secret = this.reader.secretOf(authenticator);
    return {
      id,
      name,
      createdAt: new Date(createdAtMs),
      lastUsedAt: lastUsedAtMs === null ? null : new Date(lastUsedAtMs),
      ...(secret && isWeakSecret(secret) ? { weak: true } : {}),
    };
  }

  /** Whether a guess at the live set costs more than one Argon2, used codes included. */
  private async areCostly({ userId, backupSetId, activeIds }: MfaAccount): Promise<boolean> {
    if (backupSetId === null || activeIds.length === 0) return false;
    const stored = await this.codes.list(userId, backupSetId);
    return recipesOf(stored.flatMap((each) => this.reader.hashOf(each))).length > 1;
  }
}
