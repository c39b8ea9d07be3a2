import { get, post } from './api.js';
import { signalAccepted } from './accepted-passkeys.js';
import { startEnrollment } from './enroll.js';
import { ProofField } from './proof-field.js';
import { byId, changed, clearProblem, fieldProblem, isShown, notify, onSubmit, show } from './ui.js';

const proofField = new ProofField('second-step-code', { onKind: drawKind });
/** The login between its two steps: `{ mfa_token, email }`. */
let challenge;

onSubmit(byId('sign-in-form'), async ({ email, password }) => {
  requireCredentials(email, password);
  const answer = await post('/auth/login', { email, password });
  byId('sign-in-password').value = '';
  proceed(answer, email.trim());
});

onSubmit(byId('register-form'), async ({ email, password, role }) => {
  requireCredentials(email, password);
  if (password.length < 8) throw fieldProblem('password', 'Choose a password of at least 8 characters.');
  const answer = await post('/auth/register', { email, password, role });
  byId('register-form').reset();
  proceed(answer, email.trim());
});

/** What follows the password: the session, the second step, or the setup of a factor. */
function proceed(answer, email) {
  if (!answer.mfaRequired) return changed();
  if (answer.enrollmentRequired) return startEnrollment(answer, { email, over: startAgain });
  const { mfa_token, methods } = answer;
  challenge = { mfa_token, email };
  byId('second-step-form').reset();
  clearProblem(byId('second-step-form'));
  byId('second-step-who').textContent = email;
  proofField.reset([...methods, 'recovery_code'], () => post('/mfa/passkeys/options', { mfa_token }));
  show('second-step');
}

onSubmit(byId('second-step-form'), async ({ remember }) => {
  const { mfa_token, email } = challenge;
  const { kind } = proofField;
  const rememberDevice = remember !== undefined && trustsBrowsers(kind);
  let answer;
  try {
    answer = await proofField.submit((proof) => post('/mfa/verify', { mfa_token, ...proof, rememberDevice }));
  } catch (error) {
    if (error.code !== 'MFA_TOKEN_INVALID') throw error;
    return startAgain('That took too long. Please sign in again.');
  }
  challenge = undefined;
  proofField.reset([]);
  if (answer.enrollmentRequired) return startEnrollment(answer, { email, lead: leadAfter(kind), over: startAgain });
  changed(kind === 'backup_code' ? await whatIsLeft() : '');
  void signalAccepted();
});

/** Why a user who passed the second step must set up another factor. */
const leadAfter = (kind) =>
  kind === 'recovery_code'
    ? 'The recovery code was right. Set up a new factor now: it replaces every factor and backup code that you had.'
    : 'Your role does not allow the factor that you used. Set up another one.';

/** Backup codes and recovery codes are for emergencies: no browser is trusted after one. */
function trustsBrowsers(kind) {
  return kind === 'totp' || kind === 'passkey';
}

/** The heading and the checkbox for this kind of proof, and the title of the window while it shows the second step. */
function drawKind(kind) {
  const title = kind === 'passkey' ? 'Use your passkey' : 'Enter your code';
  byId('remember-field').hidden = !trustsBrowsers(kind);
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
