import { Injectable, Logger } from '@nestjs/common';
import { SecretBox } from '../domain/secrets/secret-box.js';
import { MfaSealedValueStore, type SealedPurpose, type SealedValue } from '../domain/secrets/sealed-value.store.js';

/** Brings what was just used under the newest key, so that most rows move by themselves after a new key (S62). */
@Injectable()
export class ResealOnUse {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly values: MfaSealedValueStore,
    private readonly box: SecretBox,
  ) {}

  /** Costs nothing where all is current. A verification is over when it comes here, and never fails by it. */
  async reseal(purpose: SealedPurpose, values: readonly Omit<SealedValue, 'purpose'>[]): Promise<void> {
    const outdated = values.filter(({ sealed }) => !this.box.isCurrent(sealed));
    if (outdated.length === 0) return;
    try {
      const resealings = outdated.map((value) => {
        const place = { ...value, purpose };
        return { ...place, resealed: this.box.seal(this.box.open(value.sealed, place), place) };
      });
      await this.values.replace(purpose, resealings);
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown error';
      this.logger.warn(`A used ${purpose} could not be sealed anew (row ${outdated[0]?.credentialId}): ${reason}`);
    }
  }
}
