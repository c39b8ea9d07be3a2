/** Whether this browser can create and use passkeys. Browsers hide them on http: outside localhost. */
export const hasPasskeys = () => typeof PublicKeyCredential === 'function' && navigator.credentials !== undefined;

/** What the page says where it cannot offer passkeys. */
export const noPasskeysText = () =>
  window.isSecureContext
    ? 'This browser cannot use passkeys.'
    : 'This browser cannot use passkeys here, because the connection is not encrypted.';

let running;

/** Runs `navigator.credentials.create` with options in JSON. Returns the response in JSON. */
export async function createPasskey(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON?.(options) ?? readCreation(options);
  return toJson(await run((signal) => navigator.credentials.create({ publicKey, signal }), options.rp.id));
}

/** Runs `navigator.credentials.get` with options in JSON. Returns the response in JSON. */
export async function usePasskey(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON?.(options) ?? readRequest(options);
  return toJson(await run((signal) => navigator.credentials.get({ publicKey, signal }), options.rpId));
}

/** Ends what the browser asks for, because the user has gone elsewhere on the page. */
export function abandonPasskey() {
  running?.abort();
  running = undefined;
}

/** The browser asks for one passkey at a time. */
async function run(ask, rpId) {
  abandonPasskey();
  const own = (running = new AbortController());
  try {
    return await ask(own.signal);
  } catch (error) {
    throw explained(error, rpId);
  } finally {
    if (running === own) running = undefined;
  }
}

/** The words for what a browser throws. A cancel, a timeout and a missing passkey all look the same. */
function explained({ name }, rpId) {
  const say = (message, calm = false) => Object.assign(new Error(message), { isOfBrowser: true, calm });
  if (name === 'NotAllowedError' || name === 'AbortError') {
    return say('No passkey was used. You can try again.', true);
  }
  if (name === 'InvalidStateError') return say('This device already has a passkey for your account.', true);
  if (name === 'SecurityError') return say(`Passkeys of this site work at ${rpId} only. Open the page there.`);
  return say('This device cannot do that with a passkey. Try another device or another way.');
}

// For browsers without the JSON methods of WebAuthn Level 3.

function readCreation(options) {
  return {
    ...options,
    challenge: toBytes(options.challenge),
    user: { ...options.user, id: toBytes(options.user.id) },
    excludeCredentials: options.excludeCredentials.map(readDescriptor),
  };
}

function readRequest(options) {
  return {
    ...options,
    challenge: toBytes(options.challenge),
    allowCredentials: options.allowCredentials.map(readDescriptor),
  };
}

const readDescriptor = (descriptor) => ({ ...descriptor, id: toBytes(descriptor.id) });

/** Some password managers replace the credential by an object whose own `toJSON` throws. */
function toJson(credential) {
  try {
    return credential.toJSON();
  } catch {
    const { id, rawId, type, response, authenticatorAttachment } = credential;
    return {
      ...{ id, rawId: toText(rawId), type, authenticatorAttachment },
      response: response.attestationObject ? registrationOf(response) : assertionOf(response),
      clientExtensionResults: {},
    };
  }
}

const registrationOf = (response) => ({
  clientDataJSON: toText(response.clientDataJSON),
  attestationObject: toText(response.attestationObject),
  transports: response.getTransports?.() ?? [],
});

const assertionOf = ({ clientDataJSON, authenticatorData, signature, userHandle }) => ({
  clientDataJSON: toText(clientDataJSON),
  authenticatorData: toText(authenticatorData),
  signature: toText(signature),
  ...(userHandle && { userHandle: toText(userHandle) }),
});

/** base64url to bytes. */
function toBytes(text) {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** Bytes to base64url. */
function toText(buffer) {
  const binary = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
