import type { CDPSession, Page } from 'playwright-core';

/** A credential as the DevTools protocol shows it, with its private key. */
export interface KeptCredential {
  credentialId: string;
  isResidentCredential: boolean;
  privateKey: string;
  signCount: number;
  rpId?: string;
  userHandle?: string;
  backupEligibility?: boolean;
  backupState?: boolean;
}

/** What a device can do. The default is a platform passkey that verifies its user. */
export interface VirtualKeySettings {
  transport?: 'internal' | 'usb';
  /** `false` = the device has no PIN, fingerprint or the like. */
  verifiesUser?: boolean;
  /** The passkeys of the device can be synchronised, and are. */
  synced?: boolean;
}

/** A virtual authenticator of Chromium (DevTools protocol, domain WebAuthn). It belongs to one page. */
export class VirtualKey {
  private constructor(
    private readonly session: CDPSession,
    private readonly authenticatorId: string,
  ) {}

  static async plugIn(page: Page, settings: VirtualKeySettings = {}): Promise<VirtualKey> {
    const { transport = 'internal', verifiesUser = true, synced = false } = settings;
    const session = await page.context().newCDPSession(page);
    await session.send('WebAuthn.enable');
    const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        ...{ protocol: 'ctap2', transport, automaticPresenceSimulation: true },
        ...{ hasResidentKey: transport === 'internal', hasUserVerification: verifiesUser },
        ...{ isUserVerified: verifiesUser, defaultBackupEligibility: synced, defaultBackupState: synced },
      },
    });
    return new VirtualKey(session, authenticatorId);
  }

  async credentials(): Promise<KeptCredential[]> {
    const { credentials } = await this.session.send('WebAuthn.getCredentials', this.own({}));
    return credentials;
  }

  /** The only credential of the key. */
  async credential(): Promise<KeptCredential> {
    const [only, ...others] = await this.credentials();
    if (!only || others.length > 0) throw new Error('the key does not have exactly one credential');
    return only;
  }

  /** Puts a copy of a credential on this key, in place of what it has under that id. */
  async hold(credential: KeptCredential): Promise<void> {
    const kept = await this.credentials();
    if (kept.some(({ credentialId }) => credentialId === credential.credentialId)) {
      await this.session.send('WebAuthn.removeCredential', this.own({ credentialId: credential.credentialId }));
    }
    await this.session.send('WebAuthn.addCredential', this.own({ credential }));
  }

  /** Every signature of the key is wrong from now on. */
  async signBogus(isBogusSignature: boolean): Promise<void> {
    await this.session.send('WebAuthn.setResponseOverrideBits', this.own({ isBogusSignature }));
  }

  /** The key no longer reports that its user was present. */
  async reportAbsence(isBadUP: boolean): Promise<void> {
    await this.session.send('WebAuthn.setResponseOverrideBits', this.own({ isBadUP }));
  }

  /** `false` = the fingerprint or PIN is wrong from now on. */
  async verifyUser(isUserVerified: boolean): Promise<void> {
    await this.session.send('WebAuthn.setUserVerified', this.own({ isUserVerified }));
  }

  /** `false` = nobody touches the key. The browser waits, as it does while it shows its window. */
  async touch(enabled: boolean): Promise<void> {
    await this.session.send('WebAuthn.setAutomaticPresenceSimulation', this.own({ enabled }));
  }

  async claimBackup(flags: { backupEligibility: boolean; backupState: boolean }): Promise<void> {
    const { credentialId } = await this.credential();
    await this.session.send('WebAuthn.setCredentialProperties', this.own({ credentialId, ...flags }));
  }

  async unplug(): Promise<void> {
    await this.session.send('WebAuthn.removeVirtualAuthenticator', this.own({}));
  }

  private own<T extends object>(more: T): T & { authenticatorId: string } {
    return { ...more, authenticatorId: this.authenticatorId };
  }
}
