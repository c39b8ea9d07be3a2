import { get, post } from './api.js';
import { showBackupCodes } from './backup-codes.js';
import { addPasskey, forgetRegistration } from './passkey-setup.js';
import { methodsOf, ProofField } from './proof-field.js';
import { askForFirstCode } from './scan.js';
import { byId, changed, clearProblem, fieldProblem, notify, onSubmit, show } from './ui.js';

const WORDS = {
  totp: { title: 'Set up an authenticator', name: 'Name of the authenticator', example: 'Phone' },
  passkey: { title: 'Set up a passkey', name: 'Name of the passkey', example: 'Laptop' },
};

const proofForm = byId('setup-proof-form');
const proofField = new ProofField('setup-proof-code');
let type;
let asksPassword;

/** Begins an enrollment of a `totp` app or a `passkey`, with the proof that the status names. */
export function startSetup({ proof }, ofType) {
  type = ofType;
  notify('');
  forgetRegistration();
  proofForm.reset();
  clearProblem(proofForm);
  byId('setup-proof-title').textContent = WORDS[type].title;
  byId('setup-name-label').textContent = WORDS[type].name;
  byId('setup-name').placeholder = WORDS[type].example;
  askForOwner(proof);
  show('setup-proof');
}

/** Shows what proves that the owner is here: the password before the first factor, a second factor afterwards. */
function askForOwner(proof) {
  asksPassword = proof.includes('password');
  byId('setup-proof-lead').textContent = asksPassword
    ? 'First, your password once more.'
    : 'First, a second factor that you have already.';
  byId('setup-proof-step').textContent = 'Step 1 of 2';
  byId('setup-proof-continue').textContent = 'Continue';
  byId('setup-password-field').hidden = !asksPassword;
  proofField.shown = !asksPassword;
  proofField.reset(methodsOf(proof), () => post('/mfa/passkeys/options', { purpose: 'change' }));
}

/** The proof is given. What is left is between the browser and the user, who may repeat it. */
function askForPasskey() {
  byId('setup-proof-lead').textContent = 'Now your browser asks where to keep the passkey.';
  byId('setup-proof-step').textContent = 'Step 2 of 2';
  byId('setup-proof-continue').textContent = 'Try again';
  byId('setup-password-field').hidden = true;
  proofField.shown = false;
}

onSubmit(proofForm, async ({ name, password }) => {
  const named = name.trim() && { name: name.trim() };
  if (type === 'totp') {
    const setup = await proved((proof) => post('/mfa/totp/setup', { ...proof, ...named }), password);
    proofForm.reset();
    return askForFirstCode(setup, {
      send: post,
      step: 'Step 2 of 2',
      confirmed: ({ backupCodes }) => added(backupCodes, 'The authenticator was added.'),
      cancelled: () => show('home'),
    });
  }
  const start = () => proved((proof) => post('/mfa/passkeys/setup', proof), password);
  const expired = async () => askForOwner((await get('/mfa/status')).proof);
  const { backupCodes } = await addPasskey(named, { start, started: askForPasskey, expired });
  proofForm.reset();
  added(backupCodes, 'The passkey was added.');
});

/** The first factor brings the backup codes. */
function added(backupCodes, said) {
  if (backupCodes) showBackupCodes(backupCodes, 'Two-step verification is on.');
  else changed(said);
}

/** Runs `start` with the proof in the form. */
async function proved(start, password) {
  if (asksPassword && password === '') throw fieldProblem('password', 'Enter your password.');
  try {
    return await (asksPassword ? start({ password }) : proofField.submit(start));
  } catch (error) {
    if (error.code !== 'MFA_PROOF_REQUIRED') throw error;
    if (asksPassword && error.proof.includes('password')) throw fieldProblem('password', 'That is not your password.');
    askForOwner(error.proof);
    throw new Error('Your factors have changed meanwhile. Confirm once more that it is you.');
  }
}
