/**
 * The response of `navigator.credentials.create()` as JSON: the result of `credential.toJSON()`
 * (WebAuthn Level 3 §5.1, RegistrationResponseJSON).
 */
export interface MfaPasskeyRegistration {
  id: string;
  rawId: string;
  type: string;
  response: {
    clientDataJSON: string;
    attestationObject: string;
    transports?: readonly string[] | undefined;
  };
}

/**
 * The response of `navigator.credentials.get()` as JSON: the result of `credential.toJSON()`
 * (WebAuthn Level 3 §5.1, AuthenticationResponseJSON).
 */
export interface MfaPasskeyAssertion {
  id: string;
  rawId: string;
  type: string;
  response: {
    clientDataJSON: string;
    authenticatorData: string;
    signature: string;
    userHandle?: string | null | undefined;
  };
}
