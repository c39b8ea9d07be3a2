import { post } from './api.js';
import { createPasskey, usePasskey } from './webauthn.js';

declare const PublicKeyCredential: any; // the types of browsers lack its newest methods

/** Whether this browser can use passkeys. They need HTTPS or localhost. */
export const canUsePasskeys = () => typeof PublicKeyCredential === 'function';

/** `proof` is one of those that `proof` of `GET /mfa/status` names, such as `{ password }` or `{ code }`. */
export async function addPasskey(name: string, proof: { password?: string; code?: string; passkey?: object }) {
  const { options } = await post('/mfa/passkeys/setup', proof);
  return post('/mfa/passkeys/confirm', { name, passkey: await createPasskey(options) }); // { backupCodes?, … }
}

/** The second step of a login: the response is that of `POST /mfa/verify`. */
export async function signInByPasskey(mfa_token: string) {
  const { options } = await post('/mfa/passkeys/options', { mfa_token });
  const passkey = await usePasskey(options);
  const session = await post('/mfa/verify', { mfa_token, passkey });
  await signalAccepted(passkey, options);
  return session;
}

export async function stepUpByPasskey() {
  const { options } = await post('/mfa/passkeys/options');
  return post('/mfa/step-up', { passkey: await usePasskey(options) });
}

/** The proof of a change of factors. It is valid for one change. */
export async function provePasskey() {
  const { options } = await post('/mfa/passkeys/options', { purpose: 'change' });
  return usePasskey(options);
}

/** Removes a passkey or an authenticator app. */
export async function removeByPasskey(authenticatorId: string) {
  const { options } = await post('/mfa/passkeys/options', { purpose: 'change' });
  const passkey = await usePasskey(options);
  const status = await post(`/mfa/authenticators/${authenticatorId}/remove`, { passkey });
  const allowCredentials = await remainingPasskeys();
  if (allowCredentials) await signalAccepted(passkey, { ...options, allowCredentials });
  return status;
}

/** What to show the user. Other errors are those of your application. */
export function passkeyProblem(error: unknown): string {
  const { name = '', code = '' } = (error ?? {}) as { name?: string; code?: string };
  if (name === 'NotAllowedError') return 'No passkey was used. Try again, or use another method.'; // cancelled, or too late
  if (name === 'InvalidStateError') return 'This device already has a passkey for your account.';
  if (code === 'MFA_CODE_REJECTED') return 'The passkey was not accepted. Try again.';
  if (code === 'MFA_TOKEN_INVALID') return 'Your sign-in has expired. Start again.';
  if (code === 'MFA_TOO_MANY_AUTHENTICATORS') return 'You have too many passkeys. Remove one first.';
  return 'That did not work.';
}

/** `null` = unknown. Without passkeys, the response is 404. */
async function remainingPasskeys(): Promise<{ id: string }[] | null> {
  try {
    return (await post('/mfa/passkeys/options')).options.allowCredentials;
  } catch (error) {
    return (error as { code?: string }).code === 'MFA_AUTHENTICATOR_NOT_FOUND' ? [] : null;
  }
}

/** Lets password managers hide passkeys that are not accepted any more. It is a hint: its failure changes nothing. */
async function signalAccepted(
  { response }: { response: { userHandle?: string | null } },
  { rpId, allowCredentials }: { rpId: string; allowCredentials: { id: string }[] },
) {
  if (!response.userHandle || !PublicKeyCredential.signalAllAcceptedCredentials) return;
  const allAcceptedCredentialIds = allowCredentials.map(({ id }) => id);
  const accepted = { rpId, userId: response.userHandle, allAcceptedCredentialIds };
  await PublicKeyCredential.signalAllAcceptedCredentials(accepted).catch(() => {});
}
