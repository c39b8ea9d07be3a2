declare const PublicKeyCredential: any; // the types of browsers lack its newest methods

/** Runs `navigator.credentials.create()`. The options and the result are JSON. */
export async function createPasskey(options: any): Promise<any> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON?.(options) ?? {
    ...withBytes(options),
    user: { ...options.user, id: toBytes(options.user.id) },
    excludeCredentials: options.excludeCredentials.map(withBytes),
  };
  return toJson(await navigator.credentials.create({ publicKey }));
}

/** Runs `navigator.credentials.get()`. The options and the result are JSON. */
export async function usePasskey(options: any): Promise<any> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON?.(options) ?? {
    ...withBytes(options),
    allowCredentials: options.allowCredentials.map(withBytes),
  };
  return toJson(await navigator.credentials.get({ publicKey }));
}

// The rest is for browsers without the methods of JSON: Chrome before 129, Firefox before 119, Safari before 18.4.

function toJson(credential: any) {
  if (credential.toJSON) return credential.toJSON();
  const { id, type, response } = credential;
  const names = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'];
  const given = names.filter((name) => response[name]).map((name) => [name, toText(response[name])]);
  const transports = response.getTransports?.();
  return { id, rawId: id, type, response: { ...Object.fromEntries(given), transports } };
}

/** The bytes of options are base64url in `challenge` and `id`. */
function withBytes({ challenge, id, ...others }: any) {
  return { ...others, ...(challenge && { challenge: toBytes(challenge) }), ...(id && { id: toBytes(id) }) };
}

function toBytes(base64url: string) {
  const base64 = base64url.replaceAll('-', '+').replaceAll('_', '/');
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function toText(bytes: ArrayBuffer) {
  const base64 = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
