import { Inject, Injectable } from '@nestjs/common';
import { activeAuthenticators, pendingAuthenticator } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import type { Authenticator } from '../domain/authenticators/authenticator.js';
import { MfaClock } from '../domain/clock.js';
import { AnswersHttp } from '../errors/answers-http.decorator.js';
import type { MfaMethod } from '../host/mfa-host.js';
import { methodsOf } from '../challenge/challenge.service.js';
import { toUserId } from '../host/user-id.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';

/** An active authenticator as its owner sees it. */
export interface MfaAuthenticatorView {
  id: string;
  name: string;
  createdAt: Date;
  /** `null` = not since its confirmation. */
  lastUsedAt: Date | null;
}

/** A user's multi-factor authentication, without any secret. */
export interface MfaStatus {
  enabled: boolean;
  methods: MfaMethod[];
  authenticators: MfaAuthenticatorView[];
  backupCodes: { remaining: number; low: boolean };
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

/** Tells a user what is set up. One statement. */
@Injectable()
@AnswersHttp()
export class MfaStatusService {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** @throws MfaHttpException `MFA_BUSY` */
  async status(userId: string | number): Promise<MfaStatus> {
    const id = toUserId(userId);
    const snapshot = id === null ? null : await this.accounts.load(id);
    if (!snapshot) return structuredClone(NOTHING);
    const enabled = snapshot.account.activeIds.length > 0;
    const remaining = enabled ? snapshot.backupCodesRemaining : 0;
    return {
      enabled,
      methods: methodsOf(snapshot),
      authenticators: activeAuthenticators(snapshot).map(viewOf),
      backupCodes: { remaining, low: enabled && remaining <= this.options.backupCodes.lowAt },
      pendingSetup: pendingAuthenticator(snapshot, this.clock.nowMs()) !== null,
    };
  }
}

function viewOf({ id, name, createdAtMs, lastUsedAtMs }: Authenticator): MfaAuthenticatorView {
  return {
    id,
    name,
    createdAt: new Date(createdAtMs),
    lastUsedAt: lastUsedAtMs === null ? null : new Date(lastUsedAtMs),
  };
}
