import { get, post } from './api.js';
import { signalAccepted } from './accepted-passkeys.js';
import { ProofField } from './proof-field.js';
import { byId, changed, clearProblem, fieldProblem, isShown, notify, onSubmit, show } from './ui.js';

const proofField = new ProofField('second-step-code', {
  onKind: (kind) => setTitle(kind === 'passkey' ? 'Use your passkey' : 'Enter your code'),
});
let challenge;

onSubmit(byId('sign-in-form'), async ({ email, password }) => {
  requireCredentials(email, password);
  const answer = await post('/auth/login', { email, password });
  byId('sign-in-password').value = '';
  if (!answer.mfaRequired) return changed();
  challenge = answer;
  byId('second-step-form').reset();
  clearProblem(byId('second-step-form'));
  byId('second-step-who').textContent = email.trim();
  const { mfa_token } = answer;
  proofField.reset(answer.methods, () => post('/mfa/passkeys/options', { mfa_token }));
  show('second-step');
});

onSubmit(byId('register-form'), async ({ email, password }) => {
  requireCredentials(email, password);
  if (password.length < 8) throw fieldProblem('password', 'Choose a password of at least 8 characters.');
  await post('/auth/register', { email, password });
  byId('register-form').reset();
  changed();
});

onSubmit(byId('second-step-form'), async () => {
  const { mfa_token } = challenge;
  const usedBackupCode = proofField.kind === 'backup_code';
  try {
    await proofField.submit((proof) => post('/mfa/verify', { mfa_token, ...proof }));
  } catch (error) {
    if (error.code !== 'MFA_TOKEN_INVALID') throw error;
    return startAgain('That took too long. Please sign in again.');
  }
  challenge = undefined;
  proofField.reset([]);
  changed(usedBackupCode ? await whatIsLeft() : '');
  void signalAccepted();
});

/** The heading, and the title of the window while it shows the second step. */
function setTitle(title) {
  byId('second-step-title').textContent = title;
  if (isShown('second-step')) document.title = `${title} · nestjs-mfa demo`;
}

/** What a user who spent a backup code should know. */
async function whatIsLeft() {
  const { backupCodes } = await get('/mfa/status');
  const left = backupCodes.remaining === 1 ? '1 backup code is left' : `${backupCodes.remaining} backup codes are left`;
  return `You are signed in. ${left}${backupCodes.low ? '; make a new set soon' : ''}.`;
}

function requireCredentials(email, password) {
  if (!email.includes('@')) throw fieldProblem('email', 'Enter your e-mail address.');
  if (password === '') throw fieldProblem('password', 'Enter your password.');
}

/** The sign-in form, with a word on why. */
export function startAgain(reason) {
  challenge = undefined;
  show('sign-in');
  notify(reason ?? '');
}
