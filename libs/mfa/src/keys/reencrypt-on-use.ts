import { Injectable, Logger } from '@nestjs/common';
import { SecretBox } from '../domain/secrets/secret-box.js';
import { MfaSealedValueStore, type SealedValue } from '../domain/secrets/sealed-value.store.js';

/** Re-encrypts rows under the newest key when they are used. So most rows move without a rotation. */
// S62
@Injectable()
export class ReencryptOnUse {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly values: MfaSealedValueStore,
    private readonly box: SecretBox,
  ) {}

  /**
   * Re-encrypts those of the values that are not under the newest key. All values have the same purpose. Runs after the
   * verification, so an error is only logged. Sends no statement if every value is current.
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
