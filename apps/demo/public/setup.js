import { get, post } from './api.js';
import { showBackupCodes } from './backup-codes.js';
import { addPasskey, forgetRegistration } from './passkey-setup.js';
import { methodsOf, ProofField } from './proof-field.js';
import { byId, changed, clearProblem, copy, dateText, fieldProblem, notify, onClick, onSubmit, show } from './ui.js';

const WORDS = {
  totp: { title: 'Set up an authenticator', name: 'Name of the authenticator', example: 'Phone' },
  passkey: { title: 'Set up a passkey', name: 'Name of the passkey', example: 'Laptop' },
};

const proofForm = byId('setup-proof-form');
const confirmForm = byId('confirm-form');
const proofField = new ProofField('setup-proof-code');
const confirmField = new ProofField('confirm-code', { methods: ['totp'] });
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
    return showKey(setup);
  }
  const start = () => proved((proof) => post('/mfa/passkeys/setup', proof), password);
  const expired = async () => askForOwner((await get('/mfa/status')).proof);
  const { backupCodes } = await addPasskey(named, { start, started: askForPasskey, expired });
  proofForm.reset();
  if (backupCodes) return showBackupCodes(backupCodes, 'Two-step verification is on.');
  changed('The passkey was added.');
});

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

function showKey({ qrSvg, manualKey, otpauthUri, expiresAt }) {
  byId('qr').src = `data:image/svg+xml,${encodeURIComponent(qrSvg)}`;
  byId('manual-key').textContent = manualKey;
  linkTo(otpauthUri);
  byId('setup-expiry').textContent = `The key waits for its first code until ${dateText(expiresAt)}.`;
  confirmForm.reset();
  clearProblem(confirmForm);
  confirmField.reset(['totp']);
  show('setup-scan');
}

/** The secret is of no further use to the page. */
function forgetKey() {
  byId('qr').removeAttribute('src');
  byId('manual-key').textContent = '';
  linkTo('#');
}

function linkTo(uri) {
  for (const link of document.querySelectorAll('[data-otpauth]')) link.href = uri;
}

onSubmit(confirmForm, async () => {
  const { backupCodes } = await confirmField.submit((proof) => post('/mfa/totp/confirm', proof));
  forgetKey();
  if (backupCodes) return showBackupCodes(backupCodes, 'Two-step verification is on.');
  changed('The authenticator was added.');
});

/** The server forgets the key as well; one that has expired already is none to cancel. */
async function cancelSetup() {
  forgetKey();
  await post('/mfa/setup/cancel').catch((error) => {
    if (error.code !== 'MFA_SETUP_NOT_FOUND') throw error;
  });
}

onClick(document.querySelector('[data-view="setup-scan"] [data-go]'), cancelSetup);
onClick(byId('copy-key'), ({ currentTarget }) =>
  copy(byId('manual-key').textContent.replace(/\s/g, ''), currentTarget),
);
