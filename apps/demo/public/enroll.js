import { post } from './api.js';
import { signalAccepted } from './accepted-passkeys.js';
import { showBackupCodes } from './backup-codes.js';
import { addPasskey, forgetRegistration } from './passkey-setup.js';
import { ProofField } from './proof-field.js';
import { askForFirstCode } from './scan.js';
import { byId, changed, clearProblem, onClick, onSubmit, show, showAccount } from './ui.js';
import { abandonPasskey, hasPasskeys, noPasskeysText } from './webauthn.js';

const OVER = 'That took too long, or your account has changed meanwhile. Please sign in again.';

const form = byId('enroll-form');
const choices = [...form.elements.method];
const recovery = new ProofField('enroll-recovery', { methods: ['recovery_code'] });

/** The login that must enroll a factor. Its token is here only, so a reload of the page starts the sign-in again. */
let login;

/** Leads through the setup of a factor within a login. `over(reason)` runs when the login ends without a session. */
export function startEnrollment({ mfa_token, enrollmentMethods }, { email, lead, over }) {
  login = { mfa_token, email, over, asksRecoveryCode: false };
  form.reset();
  byId('enroll-lead').textContent = lead ?? 'Your account needs a second factor before you can sign in.';
  offer(enrollmentMethods);
  choose();
}

/** Offers the methods that this browser can set up. */
function offer(methods) {
  const usable = methods.filter((method) => method !== 'passkey' || hasPasskeys());
  for (const choice of choices) {
    choice.closest('label').hidden = !usable.includes(choice.value);
    choice.checked = choice.value === usable[0];
  }
  const note = byId('enroll-no-passkeys');
  note.hidden = !methods.includes('passkey') || hasPasskeys();
  note.textContent = `${noPasskeysText()}${usable.length === 0 ? ' Sign in with another browser or device.' : ''}`;
  byId('enroll-continue').hidden = usable.length === 0;
}

function choose() {
  forgetRegistration();
  clearProblem(form);
  recovery.shown = login.asksRecoveryCode;
  show('enroll');
}

/** Requests with the token of this login. When the server no longer accepts it, the login is over. */
const sender =
  (current) =>
  (path, body = {}) =>
    post(path, { ...body, mfa_token: current.mfa_token }).catch((error) => {
      if (error.code === 'MFA_TOKEN_INVALID' && login === current) end(OVER);
      throw error;
    });

onSubmit(form, async ({ method }) => {
  const current = login;
  const send = sender(current);
  if (method === 'passkey') return enrollPasskey(current, send);
  const setup = await authorized(current, (proof) => send('/mfa/totp/setup', proof));
  if (login !== current) return;
  askForFirstCode(setup, {
    send,
    step: 'Step 3 of 3',
    confirmed: (answer) => finish(current, answer),
    cancelled: choose,
  });
});

async function enrollPasskey(current, send) {
  const start = () => authorized(current, (proof) => send('/mfa/passkeys/setup', proof));
  const answer = await addPasskey({}, { send, start });
  finish(current, answer);
}

/** Starts a setup. The server may require a recovery code first, once in each login. */
async function authorized(current, start) {
  try {
    const setup = await (current.asksRecoveryCode ? recovery.submit(start) : start({}));
    current.asksRecoveryCode = recovery.shown = false;
    return setup;
  } catch (error) {
    if (error.code !== 'MFA_PROOF_REQUIRED') throw error;
    current.asksRecoveryCode = recovery.shown = true;
    recovery.reset(['recovery_code']);
    error.message = 'An administrator has reset your second factor. Enter the recovery code that you got from them.';
    throw error;
  }
}

/** The factor counts, and the response of the server has set the cookie of the session. */
function finish({ email }, { backupCodes, login: opened }) {
  login = undefined;
  showAccount(email);
  const said = `Two-step verification is on.${opened ? '' : ' Keep the codes, then sign in again.'}`;
  if (backupCodes) showBackupCodes(backupCodes, said);
  else changed(said);
  void signalAccepted();
}

function end(reason) {
  const { over } = login;
  login = undefined;
  forgetRegistration();
  abandonPasskey();
  over(reason);
}

for (const choice of choices) {
  choice.addEventListener('change', () => {
    forgetRegistration();
    clearProblem(form);
  });
}
onClick(byId('enroll-back'), () => end(''));
