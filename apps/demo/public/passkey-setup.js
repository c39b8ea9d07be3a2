import { post } from './api.js';
import { rememberOwner } from './accepted-passkeys.js';
import { createPasskey } from './webauthn.js';

/** A registration that the server has started: a repeat in the browser needs no new proof. */
let registration;

export function forgetRegistration() {
  registration = undefined;
}

/**
 * Registers a passkey. `start()` proves the owner to the server, and `started()` runs when that is done. After that the
 * browser may be asked again, until the options end or the factors change: then `expired()` runs. `send(path, body)`
 * confirms: for the session, or within a login.
 */
export async function addPasskey(named, { send = post, start, started = () => {}, expired = async () => {} }) {
  registration ??= await begun(start);
  const { options, until } = registration;
  const startAgain = async (reason) => {
    forgetRegistration();
    await expired();
    throw new Error(reason);
  };
  if (Date.now() > until) await startAgain('That took too long. Confirm once more that it is you.');
  started();
  const passkey = await createPasskey(options);
  const answer = await send('/mfa/passkeys/confirm', { passkey, ...named }).catch((error) => {
    if (error.code !== 'MFA_CODE_REJECTED') throw error;
    return startAgain(
      'The passkey was not accepted. Remove it from your device if it was kept there, and start again.',
    );
  });
  forgetRegistration();
  await rememberOwner({ rpId: options.rp.id, userId: options.user.id });
  return answer;
}

async function begun(start) {
  const { options } = await start();
  return { options, until: Date.now() + options.timeout };
}
