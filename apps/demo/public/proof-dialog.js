import { get, post } from './api.js';
import { methodsOf, ProofField } from './proof-field.js';
import { byId, changed, clearProblem, notify, onSubmit } from './ui.js';
import { abandonPasskey } from './webauthn.js';

const dialog = byId('proof-dialog');
const form = byId('proof-dialog-form');
const field = new ProofField('dialog-code');
let question;

/**
 * Asks for a second factor and runs `submit(proof)` with it until that succeeds or the user gives up. The `purpose` is
 * `step-up`, or `change` for a change of factors. Answers what `submit` returned, or `undefined` after a cancel. The
 * browser gives the focus back.
 */
export async function askForProof({ title, text, confirm, danger = false, purpose = 'change', submit }) {
  // Another tab may have changed the factors since this page was drawn.
  const { enabled, methods, proof } = await get('/mfa/status');
  if (!enabled) return changed('Two-step verification is off.');
  if (dialog.open) return undefined;
  byId('proof-dialog-title').textContent = title;
  byId('proof-dialog-text').textContent = text;
  byId('proof-dialog-confirm').textContent = confirm;
  byId('proof-dialog-confirm').className = danger ? 'danger' : 'primary';
  ask(purpose === 'change' ? methodsOf(proof) : methods, purpose);
  clearProblem(form);
  notify('');
  dialog.showModal();
  field.focus();
  return new Promise((resolve, reject) => (question = { purpose, submit, resolve, reject }));
}

const ask = (methods, purpose) => field.reset(methods, () => post('/mfa/passkeys/options', { purpose }));

onSubmit(form, async () => {
  const asked = question;
  try {
    const answer = await field.submit(asked.submit);
    asked.resolve(answer);
  } catch (error) {
    if (error.code === 'MFA_PROOF_REQUIRED') ask(methodsOf(error.proof), asked.purpose);
    if (isAboutProof(error)) throw error;
    asked.reject(error);
  }
  if (question === asked) dialog.close();
});

const STAYS_OPEN = [
  ...['MFA_CODE_REJECTED', 'MFA_PROOF_REQUIRED', 'MFA_REQUIRED_BY_POLICY'],
  ...['MFA_BAD_REQUEST', 'MFA_LOCKED', 'MFA_BUSY'],
];

/** Errors that the dialog shows and stays open for. All others go to the caller. */
const isAboutProof = ({ code, status, field: problemField, isOfBrowser }) =>
  problemField !== undefined || isOfBrowser === true || status === 0 || STAYS_OPEN.includes(code);

byId('proof-dialog-cancel').addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => {
  abandonPasskey();
  question.resolve(undefined);
});

/**
 * Runs an action; when the server requires a fresh second factor first, asks for it and runs the action again.
 * Answers `undefined` when the user cancels.
 */
export async function withStepUp(action, text) {
  try {
    return await action();
  } catch (error) {
    if (error.code !== 'MFA_STEP_UP_REQUIRED') throw error;
  }
  const passed = await stepUp({ title: 'Confirm that it is you', text, confirm: 'Confirm' });
  return passed && action();
}

/** Proves a second factor again in this session. Answers `undefined` when the user cancels. */
export const stepUp = (words) =>
  askForProof({ ...words, purpose: 'step-up', submit: (proof) => post('/mfa/step-up', proof) });
