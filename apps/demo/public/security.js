import { patch, post } from './api.js';
import { showBackupCodes, wereNotKept } from './backup-codes.js';
import { askForProof } from './proof-dialog.js';
import { signalAccepted } from './accepted-passkeys.js';
import { startSetup } from './setup.js';
import { byId, changed, clearProblem, dateText, fieldProblem, onClick, onSubmit } from './ui.js';
import { hasPasskeys, noPasskeysText } from './webauthn.js';

const GO_ON = 'Confirm that it is you to go on.';
const TYPES = { totp: 'Authenticator app', passkey: 'Passkey' };

let status;

/** Draws the card of two-step verification from `GET /mfa/status`. */
export function drawSecurity(current) {
  status = current;
  byId('security-badge').textContent = status.enabled ? 'On' : 'Off';
  byId('security-badge').dataset.tone = status.enabled ? 'good' : 'plain';
  byId('security-off').hidden = status.enabled;
  byId('security-on').hidden = !status.enabled;
  drawDueDate(status);
  byId('authenticators').replaceChildren(...status.authenticators.map(row));
  const { remaining, low } = status.backupCodes;
  byId('backup-left').textContent = remaining === 1 ? '1 code is left.' : `${remaining} codes are left.`;
  byId('backup-low').hidden = !low;
  byId('backup-unkept').hidden = !wereNotKept();
}

/** The date from which a user without a factor cannot sign in any more. */
function drawDueDate({ enrollmentDueAt }) {
  byId('due').hidden = !enrollmentDueAt;
  if (enrollmentDueAt) byId('due-date').textContent = dateText(enrollmentDueAt);
}

function row(authenticator) {
  const { id, type, name, createdAt, lastUsedAt } = authenticator;
  const line = byId('authenticator-row').content.cloneNode(true).firstElementChild;
  line.querySelector('[data-name]').textContent = name;
  const used = lastUsedAt ? `Last used ${dateText(lastUsedAt)}` : `Added ${dateText(createdAt)}`;
  line.querySelector('[data-meta]').textContent = `${TYPES[type] ?? type} · ${used}`;
  const remove = line.querySelector('[data-remove]');
  remove.ariaLabel = `Remove ${name}`;
  onClick(remove, () => removeAuthenticator(authenticator));
  wireRename(line, id, name);
  return line;
}

function wireRename(line, id, name) {
  const form = line.querySelector('form');
  const open = line.querySelector('[data-rename]');
  const toggle = (editing) => {
    for (const part of line.children) part.hidden = part === form ? !editing : editing;
    clearProblem(form);
    if (editing) form.elements.name.select();
    else open.focus();
  };
  form.elements.name.id = `name-of-${id}`;
  form.querySelector('label').htmlFor = form.elements.name.id;
  open.ariaLabel = `Rename ${name}`;
  onClick(open, () => {
    form.elements.name.value = name;
    toggle(true);
  });
  onClick(form.querySelector('[data-cancel]'), () => toggle(false));
  onSubmit(form, async ({ name: newName }) => {
    if (newName.trim() === '') throw fieldProblem('name', 'Enter a name.');
    await patch(`/mfa/authenticators/${id}`, { name: newName.trim() });
    changed('The authenticator has a new name.');
  });
}

async function removeAuthenticator({ id, type, name }) {
  const last = status.authenticators.length === 1;
  const removed = await askForProof({
    title: `Remove ${name}?`,
    text: last
      ? `It is your only authenticator: removing it turns two-step verification off. ${GO_ON}`
      : `${type === 'passkey' ? 'It will no longer sign you in.' : 'Its codes will no longer work.'} ${GO_ON}`,
    confirm: 'Remove',
    danger: true,
    submit: (proof) => post(`/mfa/authenticators/${id}/remove`, proof),
  });
  if (!removed) return;
  changed(last ? 'Two-step verification is off.' : 'The authenticator was removed.');
  void signalAccepted();
}

/** After a reload of the page that showed the codes: they cannot be shown again, but new ones can. */
export async function offerNewCodes() {
  if (status.enabled && wereNotKept()) await regenerate(`${byId('backup-unkept').textContent} ${GO_ON}`);
}

async function regenerate(text = `The codes that you have now will stop working. ${GO_ON}`) {
  const answer = await askForProof({
    title: 'Make new backup codes?',
    text,
    confirm: 'Make new codes',
    submit: (proof) => post('/mfa/backup-codes/regenerate', proof),
  });
  if (answer) showBackupCodes(answer.backupCodes, 'The old backup codes no longer work.');
}

async function disable() {
  const answer = await askForProof({
    title: 'Turn off two-step verification?',
    text: `All authenticators and backup codes will be removed. ${GO_ON}`,
    confirm: 'Turn off',
    danger: true,
    submit: (proof) => post('/mfa/disable', proof),
  });
  if (!answer) return;
  changed('Two-step verification is off.');
  void signalAccepted();
}

onClick(byId('regenerate'), () => regenerate());
onClick(byId('disable'), disable);
for (const button of document.querySelectorAll('[data-setup]')) {
  onClick(button, () => startSetup(status, button.dataset.setup));
  if (button.dataset.setup === 'passkey') button.hidden = !hasPasskeys();
}
for (const line of document.querySelectorAll('[data-no-passkeys]')) {
  line.hidden = hasPasskeys();
  line.textContent = noPasskeysText();
}
