import { randomBytes } from 'node:crypto';
import { generateVirtualKey, type VirtualKey } from './virtual-key.js';
import {
  attestationObjectOf,
  attestedDataOf,
  authenticatorDataOf,
  clientDataOf,
  signatureOf,
} from './virtual-response.js';
import type {
  VirtualPasskeyAssertion,
  VirtualPasskeyCreateFaults,
  VirtualPasskeyCreationOptions,
  VirtualPasskeyFaults,
  VirtualPasskeyGetFaults,
  VirtualPasskeyRegistration,
  VirtualPasskeyRequestOptions,
  VirtualPasskeyResponse,
  VirtualPasskeySettings,
  VirtualPasskeyTransport,
} from './virtual-passkey.types.js';

interface VirtualCredential {
  id: string;
  rpId: string;
  userHandle: string;
  key: VirtualKey;
  counter: number;
}

const base64url = (data: string | Buffer) => Buffer.from(data).toString('base64url');

/**
 * A WebAuthn authenticator and its browser, for tests. It holds one passkey for each rp id and user.
 * A second argument orders a fault.
 *
 * @example
 * const key = new VirtualPasskey({ origin: 'http://localhost:3000' });
 * const registration = key.create(setup.options);
 * const forged = key.get(login.options, { badSignature: true });
 */
export class VirtualPasskey {
  /** The newest is first. */
  private credentials: VirtualCredential[] = [];
  private readonly settings: Required<VirtualPasskeySettings>;

  /** @throws TypeError for `backedUp` without `synced`, which WebAuthn excludes. */
  constructor(settings: VirtualPasskeySettings) {
    const { origin, algorithm = 'ES256', synced = false, backedUp = synced, userVerification = true } = settings;
    const { counter = synced ? 'zero' : 'increments' } = settings;
    if (backedUp && !synced) throw new TypeError('VirtualPasskey: backedUp requires synced: true');
    this.settings = { origin, algorithm, synced, backedUp, userVerification, counter };
  }

  /**
   * What `navigator.credentials.create` returns. The new passkey replaces the one of this rp id and user.
   *
   * @throws DOMException `InvalidStateError` if `excludeCredentials` names its passkey, `SecurityError` for an rp id that the
   *   origin may not use, `NotSupportedError` for other algorithms, `NotAllowedError` if it cannot verify the user as required.
   */
  create(options: VirtualPasskeyCreationOptions, faults: VirtualPasskeyCreateFaults = {}): VirtualPasskeyRegistration {
    const rpId = this.usableRpId(options.rp.id);
    const excluded = options.excludeCredentials ?? [];
    if (this.find(rpId, excluded)) throw refusal('InvalidStateError', 'excludeCredentials names its passkey');
    const credential = this.newCredential({ rpId, userHandle: options.user.id, id: faults.credentialId });
    const { id, key } = credential;
    const supported = options.pubKeyCredParams.some(({ alg }) => alg === key.alg);
    if (!supported) throw refusal('NotSupportedError', 'pubKeyCredParams does not list its algorithm');
    const states = this.states(options.authenticatorSelection?.userVerification, faults);
    this.store(credential);
    const attested = attestedDataOf(id, key, faults);
    const authenticatorData = authenticatorDataOf({ ...credential, states, attested }, faults);
    const clientData = this.clientData('webauthn.create', options, faults);
    return this.response(id, {
      clientDataJSON: base64url(clientData),
      attestationObject: base64url(attestationObjectOf(key, { authenticatorData, clientData }, faults)),
      authenticatorData: base64url(authenticatorData),
      transports: this.transports(faults),
      publicKeyAlgorithm: key.alg,
      publicKey: base64url(key.spki),
    });
  }

  /**
   * What `navigator.credentials.get` returns. Without `allowCredentials` it uses the newest passkey of the rp id.
   *
   * @throws DOMException `NotAllowedError` if it holds no passkey that `allowCredentials` names, or cannot verify the user
   *   as required, and `SecurityError` for an rp id that the origin may not use.
   */
  get(options: VirtualPasskeyRequestOptions, faults: VirtualPasskeyGetFaults = {}): VirtualPasskeyAssertion {
    const rpId = this.usableRpId(options.rpId);
    const allowed = options.allowCredentials?.length ? options.allowCredentials : this.credentials;
    const credential = this.find(rpId, allowed);
    if (!credential) throw refusal('NotAllowedError', 'allowCredentials does not name its passkey');
    const states = this.states(options.userVerification, faults);
    if (faults.counter === undefined) credential.counter += this.increment;
    const authenticatorData = authenticatorDataOf({ ...credential, states }, faults);
    const clientData = this.clientData('webauthn.get', options, faults);
    const { userHandle = credential.userHandle } = faults;
    const signature = signatureOf(credential.key.privateKey, { authenticatorData, clientData }, faults);
    return this.response(faults.credentialId ?? credential.id, {
      clientDataJSON: base64url(clientData),
      authenticatorData: base64url(authenticatorData),
      signature: base64url(signature),
      ...(userHandle !== null && { userHandle }),
    });
  }

  private get increment(): number {
    return this.settings.counter === 'increments' ? 1 : 0;
  }

  /** The host of the origin, or a domain above it (WebAuthn, section 5.1.3). */
  private usableRpId(id?: string): string {
    const { hostname, protocol } = new URL(this.settings.origin);
    const usable = id === undefined || protocol === 'android:' || `.${hostname}`.endsWith(`.${id}`);
    if (!usable) throw refusal('SecurityError', 'its origin may not use this rp id');
    return id ?? hostname;
  }

  private find(rpId: string, named: readonly { id: string }[]): VirtualCredential | undefined {
    return this.credentials.find((each) => each.rpId === rpId && named.some(({ id }) => id === each.id));
  }

  /** A credential that it holds under the id keeps its key pair and counter. */
  private newCredential(of: { rpId: string; userHandle: string; id?: string }): VirtualCredential {
    const known = this.credentials.find(({ id }) => id === of.id);
    const { key = generateVirtualKey(this.settings.algorithm), counter = 0 } = known ?? {};
    return { ...of, id: of.id ?? base64url(randomBytes(32)), key, counter: counter + this.increment };
  }

  private store(credential: VirtualCredential): void {
    const { rpId, userHandle } = credential;
    const others = this.credentials.filter((each) => each.rpId !== rpId || each.userHandle !== userHandle);
    this.credentials = [credential, ...others];
  }

  private states(requirement: string | undefined, faults: VirtualPasskeyFaults) {
    const { userVerification, synced: backupEligible, backedUp } = this.settings;
    const ordered = faults.userVerified !== undefined;
    if (requirement === 'required' && !userVerification && !ordered) {
      throw refusal('NotAllowedError', 'it cannot verify its user');
    }
    const userVerified = userVerification && requirement !== 'discouraged';
    return { userPresent: true, userVerified, backupEligible, backedUp };
  }

  private clientData(type: string, { challenge }: { challenge: string }, faults: VirtualPasskeyFaults): string {
    return clientDataOf({ type, challenge, origin: this.settings.origin }, faults);
  }

  private transports({ transports }: VirtualPasskeyCreateFaults): VirtualPasskeyTransport[] {
    return [...(transports ?? (this.settings.synced ? ['internal', 'hybrid'] : ['usb']))] as VirtualPasskeyTransport[];
  }

  private response<Response>(id: string, response: Response): VirtualPasskeyResponse<Response> {
    const authenticatorAttachment = this.settings.synced ? 'platform' : 'cross-platform';
    return { id, rawId: id, type: 'public-key', authenticatorAttachment, clientExtensionResults: {}, response };
  }
}

/** What browsers reject with. */
function refusal(name: string, reason: string): DOMException {
  return new DOMException(`VirtualPasskey: ${reason}`, name);
}
