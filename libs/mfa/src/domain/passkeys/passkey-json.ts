/** The response of `navigator.credentials.create`, as its `toJSON()` gives it. Other fields are ignored. */
export interface MfaPasskeyRegistration {
  /** The credential id in base64url, at most 1023 bytes. */
  id: string;
  /** The same as `id`. */
  rawId: string;
  /** `public-key`. */
  type: string;
  response: {
    clientDataJSON: string;
    attestationObject: string;
    /** How the browser reaches the passkey, such as `usb` or `internal`. @default [] */
    transports?: readonly string[] | null | undefined;
  };
}

/** The response of `navigator.credentials.get`, as its `toJSON()` gives it. Other fields are ignored. */
export interface MfaPasskeyAssertion {
  /** The credential id in base64url, at most 1023 bytes. */
  id: string;
  /** The same as `id`. */
  rawId: string;
  /** `public-key`. */
  type: string;
  response: {
    clientDataJSON: string;
    authenticatorData: string;
    signature: string;
    /** The user handle in base64url. A security key without storage leaves it out. */
    userHandle?: string | null | undefined;
  };
}
