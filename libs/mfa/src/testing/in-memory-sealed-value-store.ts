import {
  MfaSealedValueStore,
  type Resealing,
  type SealedPurpose,
  type SealedValue,
} from '../domain/secrets/sealed-value.store.js';
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

  override async replace(purpose: SealedPurpose, resealings: readonly Resealing[]): Promise<void> {
    for (const { userId, credentialId, sealed, resealed } of resealings)
      this.replaceOne(purpose, { userId, credentialId, sealed, resealed });
  }

  private replaceOne(purpose: SealedPurpose, { userId, credentialId, sealed, resealed }: Omit<Resealing, 'purpose'>) {
    const { authenticators, backupCodes } = this.state;
    const authenticator = authenticators.get(credentialId);
    if (purpose === 'totp-secret' && authenticator?.userId === userId && authenticator.secret === sealed) {
      authenticators.set(credentialId, { ...authenticator, secret: resealed });
    }
    const code = backupCodes.get(credentialId);
    if (purpose === 'backup-code' && code?.userId === userId && code.hash === sealed) {
      backupCodes.set(credentialId, { ...code, hash: resealed });
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
