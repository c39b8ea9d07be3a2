import { post } from './api.js';
import { showBackupCodes } from './backup-codes.js';
import { CodeField } from './code-field.js';
import { byId, changed, clearProblem, copy, dateText, fieldProblem, notify, onClick, onSubmit, show } from './ui.js';

const proofForm = byId('setup-proof-form');
const confirmForm = byId('confirm-form');
const proofCode = new CodeField('setup-proof-code');
const confirmCode = new CodeField('confirm-code', ['totp']);
let enabled = false;

/** Begins an enrollment: with the password for the first authenticator, with a code for a further one. */
export function startSetup(status) {
  enabled = status.enabled;
  notify('');
  proofForm.reset();
  clearProblem(proofForm);
  byId('setup-proof-lead').textContent = enabled
    ? 'First, a code from an authenticator that you have already.'
    : 'First, your password once more.';
  byId('setup-password-field').hidden = enabled;
  proofCode.shown = enabled;
  proofCode.reset(['totp', 'backup_code']);
  show('setup-proof');
}

onSubmit(proofForm, async ({ name, password }) => {
  if (!enabled && password === '') throw fieldProblem('password', 'Enter your password.');
  const start = (proof) => post('/mfa/totp/setup', { ...proof, ...(name.trim() && { name: name.trim() }) });
  const setup = enabled ? await proofCode.submit((code) => start({ code })) : await start({ password }).catch(notYours);
  proofForm.reset();
  showKey(setup);
});

function notYours(error) {
  if (error.code !== 'MFA_PROOF_REQUIRED') throw error;
  throw fieldProblem('password', 'That is not your password.');
}

function showKey({ qrSvg, manualKey, otpauthUri, expiresAt }) {
  byId('qr').src = `data:image/svg+xml,${encodeURIComponent(qrSvg)}`;
  byId('manual-key').textContent = manualKey;
  linkTo(otpauthUri);
  byId('setup-expiry').textContent = `The key waits for its first code until ${dateText(expiresAt)}.`;
  confirmForm.reset();
  clearProblem(confirmForm);
  confirmCode.reset(['totp']);
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
  const { backupCodes } = await confirmCode.submit((code) => post('/mfa/totp/confirm', { code }));
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
