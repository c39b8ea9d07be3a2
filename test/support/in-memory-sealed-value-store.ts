import {
  MfaSealedValueStore,
  type Reencryption,
  type SealedPurpose,
  type SealedValue,
} from '../../libs/mfa/src/domain/secrets/sealed-value.store.js';
import { InMemoryMfaState } from './in-memory-state.js';

/** {@link MfaSealedValueStore} in memory. */
export class InMemorySealedValueStore extends MfaSealedValueStore {
  constructor(private readonly state = new InMemoryMfaState()) {
    super();
  }

  override async count(purpose: SealedPurpose): Promise<number> {
    return this.values(purpose).length;
  }

  override async listAfter(purpose: SealedPurpose, afterId: string, limit: number): Promise<SealedValue[]> {
    return this.values(purpose)
      .filter(({ credentialId }) => credentialId > afterId)
      .sort((a, b) => (a.credentialId < b.credentialId ? -1 : 1))
      .slice(0, limit);
  }

  override async replace(purpose: SealedPurpose, reencryptions: readonly Reencryption[]): Promise<void> {
    for (const { userId, credentialId, sealed, reencrypted } of reencryptions)
      this.replaceOne(purpose, { userId, credentialId, sealed, reencrypted });
  }

  private replaceOne(
    purpose: SealedPurpose,
    { userId, credentialId, sealed, reencrypted }: Omit<Reencryption, 'purpose'>,
  ) {
    const { authenticators, backupCodes } = this.state;
    const authenticator = authenticators.get(credentialId);
    if (purpose === 'totp-secret' && authenticator?.userId === userId && authenticator.secret === sealed) {
      authenticators.set(credentialId, { ...authenticator, secret: reencrypted });
    }
    const code = backupCodes.get(credentialId);
    if (purpose === 'backup-code' && code?.userId === userId && code.hash === sealed) {
      backupCodes.set(credentialId, { ...code, hash: reencrypted });
    }
  }

  private values(purpose: SealedPurpose): SealedValue[] {
    const { authenticators, backupCodes } = this.state;
    return purpose === 'totp-secret'
      ? [...authenticators.values()].map(({ id, userId, secret }) => ({
          purpose,
          userId,
          credentialId: id,
          sealed: secret,
        }))
      : [...backupCodes.values()].map(({ id, userId, hash }) => ({ purpose, userId, credentialId: id, sealed: hash }));
  }
}
