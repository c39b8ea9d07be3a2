import { get, post } from './api.js';

/** Whose passkeys the browser has shown this page: `{ email, rpId, userId }`, with the user handle as `userId`. */
let owner;

const canSignal = () => globalThis.PublicKeyCredential?.signalAllAcceptedCredentials !== undefined;
const emailNow = async () => (await get('/auth/me')).email;

/** Keeps the user handle of the signed-in user. Only a registration and the use of a discoverable passkey show it. */
export async function rememberOwner({ rpId, userId }) {
  if (!userId || !canSignal()) return;
  const email = await emailNow().catch(() => undefined);
  if (email) owner = { email, rpId, userId };
}

/**
 * Tells the browser which passkeys the server accepts, so that it no longer offers removed ones. Without a user handle
 * from this page's own life, it does nothing: the next sign-in with a passkey makes up for it.
 */
export async function signalAccepted() {
  const known = owner;
  if (!known) return;
  try {
    // Another tab may change the session meanwhile. A list of another user would remove passkeys that work.
    if ((await emailNow()) !== known.email) return;
    const allAcceptedCredentialIds = await acceptedIds();
    if ((await emailNow()) !== known.email) return;
    const { rpId, userId } = known;
    await PublicKeyCredential.signalAllAcceptedCredentials({ rpId, userId, allAcceptedCredentialIds });
  } catch {
    // It helps the user's password manager. Nothing depends on it.
  }
}

/** The ids in the options of a fresh request: those of a sign-in may be older than a passkey of another tab. */
async function acceptedIds() {
  try {
    const { options } = await post('/mfa/passkeys/options', { purpose: 'step-up' });
    return options.allowCredentials.map(({ id }) => id);
  } catch (error) {
    if (error.code === 'MFA_AUTHENTICATOR_NOT_FOUND') return [];
    throw error;
  }
}
