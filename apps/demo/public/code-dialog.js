import { post } from './api.js';
import { CodeField } from './code-field.js';
import { byId, clearProblem, notify, onSubmit } from './ui.js';

const dialog = byId('code-dialog');
const form = byId('code-dialog-form');
const field = new CodeField('dialog-code');
let question;

/**
 * Asks for a code and runs `submit(code)` with it until that succeeds or the user gives up.
 * Answers what `submit` returned, or `undefined` after a cancel. The browser gives the focus back.
 */
export function askForCode({ title, text, confirm, danger = false, submit }) {
  byId('code-dialog-title').textContent = title;
  byId('code-dialog-text').textContent = text;
  byId('code-dialog-confirm').textContent = confirm;
  byId('code-dialog-confirm').className = danger ? 'danger' : 'primary';
  field.reset(['totp', 'backup_code']);
  clearProblem(form);
  notify('');
  dialog.showModal();
  field.input.focus();
  return new Promise((resolve, reject) => (question = { submit, resolve, reject }));
}

onSubmit(form, async () => {
  try {
    const answer = await field.submit(question.submit);
    question.resolve(answer);
  } catch (error) {
    if (isAboutCode(error)) throw error;
    question.reject(error);
  }
  dialog.close();
});

/** Errors after which the dialog stays open. All others go to the caller. */
function isAboutCode({ code, status, field: problemField }) {
  return (
    problemField !== undefined ||
    status === 0 ||
    ['MFA_CODE_REJECTED', 'MFA_BAD_REQUEST', 'MFA_LOCKED', 'MFA_BUSY'].includes(code)
  );
}

byId('code-dialog-cancel').addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => question.resolve(undefined));

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
  const title = 'Confirm that it is you';
  const submit = (code) => post('/mfa/step-up', { code });
  const passed = await askForCode({ title, text, confirm: 'Confirm', submit });
  return passed && action();
}
