/** A passkey in the options of a ceremony. */
export interface MfaPasskeyDescriptor {
  /** The credential id in base64url. */
  id: string;
  type: 'public-key';
  transports?: string[];
}

/** The options for `navigator.credentials.create` in JSON (WebAuthn Level 3 §5.1.9). Bytes are base64url. */
export interface MfaPasskeyCreationOptions {
  rp: { id: string; name: string };
  user: { id: string; name: string; displayName: string };
  challenge: string;
  pubKeyCredParams: { type: 'public-key'; alg: number }[];
  /** Milliseconds. */
  timeout: number;
  excludeCredentials: MfaPasskeyDescriptor[];
  authenticatorSelection: {
    residentKey: 'preferred';
    requireResidentKey: false;
    userVerification: 'preferred' | 'required';
  };
  attestation: 'none';
  extensions?: Record<string, unknown>;
  hints?: string[];
}

/** The options for `navigator.credentials.get` in JSON (WebAuthn Level 3 §5.1.9). Bytes are base64url. */
export interface MfaPasskeyRequestOptions {
  rpId: string;
  challenge: string;
  /** Milliseconds. */
  timeout: number;
  userVerification: 'preferred' | 'required';
  allowCredentials: MfaPasskeyDescriptor[];
  extensions?: Record<string, unknown>;
}
