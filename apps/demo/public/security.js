import { patch, post } from './api.js';
import { showBackupCodes, wereNotKept } from './backup-codes.js';
import { askForCode } from './code-dialog.js';
import { startSetup } from './setup.js';
import { byId, changed, clearProblem, dateText, fieldProblem, onClick, onSubmit } from './ui.js';

let status;

/** Draws the card of two-step verification from `GET /mfa/status`. */
export function drawSecurity(current) {
  status = current;
  byId('security-badge').textContent = status.enabled ? 'On' : 'Off';
  byId('security-badge').dataset.tone = status.enabled ? 'good' : 'plain';
  byId('security-off').hidden = status.enabled;
  byId('security-on').hidden = !status.enabled;
  byId('authenticators').replaceChildren(...status.authenticators.map(row));
  const { remaining, low } = status.backupCodes;
  byId('backup-left').textContent = remaining === 1 ? '1 code is left.' : `${remaining} codes are left.`;
  byId('backup-low').hidden = !low;
  byId('backup-unkept').hidden = !wereNotKept();
}

function row(authenticator) {
  const { id, name, createdAt, lastUsedAt } = authenticator;
  const line = byId('authenticator-row').content.cloneNode(true).firstElementChild;
  line.querySelector('[data-name]').textContent = name;
  line.querySelector('[data-meta]').textContent = lastUsedAt
    ? `Last used ${dateText(lastUsedAt)}`
    : `Added ${dateText(createdAt)}`;
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

async function removeAuthenticator({ id, name }) {
  const last = status.authenticators.length === 1;
  const removed = await askForCode({
    title: `Remove ${name}?`,
    text: last
      ? 'It is your only authenticator: removing it turns two-step verification off. Enter a code to go on.'
      : 'Its codes will no longer work. Enter a code of any of your authenticators to go on.',
    confirm: 'Remove',
    danger: true,
    submit: (code) => post(`/mfa/authenticators/${id}/remove`, { code }),
  });
  if (!removed) return;
  changed(last ? 'Two-step verification is off.' : 'The authenticator was removed.');
}

/** After a reload of the page that showed the codes: they cannot be shown again, but new ones can. */
export async function offerNewCodes() {
  if (status.enabled && wereNotKept()) await regenerate(`${byId('backup-unkept').textContent} Enter a code to go on.`);
}

async function regenerate(text = 'The codes that you have now will stop working. Enter a code to go on.') {
  const answer = await askForCode({
    title: 'Make new backup codes?',
    text,
    confirm: 'Make new codes',
    submit: (code) => post('/mfa/backup-codes/regenerate', { code }),
  });
  if (answer) showBackupCodes(answer.backupCodes, 'The old backup codes no longer work.');
}

async function disable() {
  const answer = await askForCode({
    title: 'Turn off two-step verification?',
    text: 'All authenticators and backup codes will be removed. Enter a code to go on.',
    confirm: 'Turn off',
    danger: true,
    submit: (code) => post('/mfa/disable', { code }),
  });
  if (!answer) return;
  changed('Two-step verification is off.');
}

onClick(byId('regenerate'), () => regenerate());
onClick(byId('disable'), disable);
for (const button of document.querySelectorAll('[data-setup]')) onClick(button, () => startSetup(status));
