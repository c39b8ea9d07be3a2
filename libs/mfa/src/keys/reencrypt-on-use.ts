import { Injectable, Logger } from '@nestjs/common';
import { SecretBox } from '../domain/secrets/secret-box.js';
import { MfaSealedValueStore, type SealedValue } from '../domain/secrets/sealed-value.store.js';

/** Brings what was just used under the newest key, so that most rows move by themselves after a new key. */
// S62
@Injectable()
export class ReencryptOnUse {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly values: MfaSealedValueStore,
    private readonly box: SecretBox,
  ) {}

  /**
   * Values of one purpose. Costs nothing where all are current. The verification is over when it comes here, and never
   * fails by it.
   */
  async reencryptOnUse(values: readonly SealedValue[]): Promise<void> {
    const outdated = values.filter(({ sealed }) => !this.box.isCurrent(sealed));
    const [first] = outdated;
    if (!first) return;
    try {
      const reencryptions = outdated.map((value) => ({
        ...value,
        reencrypted: this.box.seal(this.box.open(value.sealed, value), value),
      }));
      await this.values.replace(first.purpose, reencryptions);
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown error';
      this.logger.warn(`A used ${first.purpose} could not be re-encrypted (row ${first.credentialId}): ${reason}`);
    }
  }
}
