import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { formatActiveFactors, type MfaAccount } from '../../domain/accounts/account.js';
import { INSTANCE_SKEW_MS } from '../../domain/clock.js';
import type { MfaRandom } from '../../domain/random.js';
import { PREPARATION_LIFETIME_MS } from '../../domain/verification/proof.js';
import type { KeyRing, RingKey } from '../../domain/secrets/key-ring.js';

/** What a passkey response is used for. A response is accepted only for the purpose of its WebAuthn challenge. */
export type WebAuthnPurpose = 'verify' | 'step-up' | 'change' | 'register';

/** What a WebAuthn challenge is bound to. It is accepted only with exactly the same values. */
export interface WebAuthnClaim {
  purpose: WebAuthnPurpose;
  userId: string;
  /** The security stamp of the account at issue. */
  securityStamp: number;
  /** The `jti` of the mfa_token, else the binding of the session. `null` = the session has no binding. */
  binding: string | null;
  rpId: string;
  /** {@link registerState} for `register`, else `''`. */
  state: string;
}

export interface WebAuthnIssueParams {
  nowMs: number;
  /** When the WebAuthn challenge ends. It ends earlier if this is later than {@link webAuthnExpiry} allows. */
  expiresAtMs: number;
  random: MfaRandom;
}

/** A WebAuthn challenge that is genuine and not expired. It may already be spent. */
export interface CheckedWebAuthnChallenge {
  /** SHA-256 of the challenge bytes in hex. The usage row of the accepted response has it. */
  item: string;
  /** Epoch milliseconds. */
  expiresAtMs: number;
}

/** Longest life of a WebAuthn challenge, in milliseconds. */
export const WEBAUTHN_LIFETIME_MS = PREPARATION_LIFETIME_MS;

// The bytes are expiry ‖ random ‖ mac. Their number is a multiple of 3, so base64url has one spelling without spare bits.
const EXPIRY_BYTES = 6;
/** WebAuthn requires at least 16 random bytes (WebAuthn Level 3 §13.4.3). */
const RANDOM_BYTES = 16;
const MAC_BYTES = 32;
const MAC_START = EXPIRY_BYTES + RANDOM_BYTES;
const CHALLENGE = /^[\w-]{72}$/;

/**
 * When a WebAuthn challenge ends that is issued now, in epoch milliseconds: after 5 minutes, and never later than
 * `notAfterMs`, the end of the mfa_token.
 */
export function webAuthnExpiry(nowMs: number, notAfterMs = Infinity): number {
  return Math.min(nowMs + WEBAUTHN_LIFETIME_MS, notAfterMs);
}

/**
 * SHA-256 in hex of the active factors and the backup set id. A WebAuthn challenge for a registration is bound to it, so
 * every change of factors or backup codes ends the challenge.
 */
// S84
export function registerState({ activeFactors, backupSetId }: Pick<MfaAccount, 'activeFactors' | 'backupSetId'>) {
  return sha256Hex(JSON.stringify([formatActiveFactors(activeFactors), backupSetId]));
}

/**
 * Issues and checks WebAuthn challenges without storage. A challenge holds its expiry, random bytes, and an HMAC over
 * them and the claim. The newest key signs, and every key of the ring is accepted.
 */
// S80
export class WebAuthnChallenges {
  private readonly keys: readonly RingKey[];

  constructor(private readonly ring: KeyRing) {
    this.keys = ring.ids.map((id) => ring.byId(id)!);
  }

  /** The bytes of a new WebAuthn challenge: expiry (6) ‖ random (16) ‖ mac (32). */
  issue(claim: WebAuthnClaim, { nowMs, expiresAtMs, random }: WebAuthnIssueParams): Uint8Array<ArrayBuffer> {
    const expiry = webAuthnExpiry(nowMs, expiresAtMs);
    const head = Buffer.alloc(MAC_START);
    head.writeUIntBE(expiry, 0, EXPIRY_BYTES);
    head.set(random.bytes(RANDOM_BYTES), EXPIRY_BYTES);
    return new Uint8Array([...head, ...macOf(claim, head, this.ring.newest)]);
  }

  /**
   * Checks the `challenge` of a client's data (base64url). Returns `null` if it is malformed, expired, foreign, or issued
   * for another claim. It does not look whether the challenge is spent.
   */
  check(challenge: string, claim: WebAuthnClaim, nowMs: number): CheckedWebAuthnChallenge | null {
    if (!CHALLENGE.test(challenge)) return null;
    const bytes = Buffer.from(challenge, 'base64url');
    const head = bytes.subarray(0, MAC_START);
    const mac = bytes.subarray(MAC_START, MAC_START + MAC_BYTES);
    if (!this.keys.some((key) => timingSafeEqual(mac, macOf(claim, head, key)))) return null;
    const expiresAtMs = head.readUIntBE(0, EXPIRY_BYTES);
    // The upper end is checked, too, so that a jump of one clock extends no life.
    const isAlive = nowMs < expiresAtMs && expiresAtMs <= nowMs + WEBAUTHN_LIFETIME_MS + INSTANCE_SKEW_MS;
    return isAlive ? { item: sha256Hex(bytes), expiresAtMs } : null;
  }
}

/** HMAC-SHA-256 over a JSON array, in which no field can run into the next one. */
function macOf(claim: WebAuthnClaim, head: Buffer, { webAuthnKey }: RingKey): Buffer {
  const { purpose, userId, securityStamp, binding, rpId, state } = claim;
  const random = head.subarray(EXPIRY_BYTES).toString('base64url');
  const expiry = head.readUIntBE(0, EXPIRY_BYTES);
  const text = JSON.stringify([purpose, userId, securityStamp, binding, rpId, state, random, expiry]);
  return createHmac('sha256', webAuthnKey).update(text).digest();
}

function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
