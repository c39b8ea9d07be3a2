import { get, post } from './api.js';
import { forgetEvents, showEvents } from './audit.js';
import { readableName } from './devices.js';
import { withStepUp } from './proof-dialog.js';
import { byId, clearProblem, copy, dateText, fieldProblem, notify, onClick, onSubmit, show } from './ui.js';

const FRESH = 'Administration needs a second step from the last five minutes.';
const DONE = {
  unlock: 'Every lock has ended.',
  reset: 'Every factor is removed.',
  'recovery-code': 'The recovery code was issued.',
  'revoke-devices': 'No browser is trusted any more.',
};
const METHODS = { totp: 'authenticator app', backup_code: 'backup code', recovery_code: 'recovery code' };

const actions = byId('action-form');
/** The query of the list that is shown. */
let query;
/** The user who is open. */
let user;

/** Shows the way to this view in the account of an administrator. */
export function drawAdminEntry({ role }) {
  byId('admin-entry').hidden = role !== 'admin';
}

/** Empties the view, also for the next user of this browser. */
export function forgetUsers() {
  close();
  forgetEvents();
  byId('users-form').reset();
  clearProblem(byId('users-form'));
  byId('found').replaceChildren();
  byId('found-more').hidden = true;
  byId('found-empty').hidden = false;
  byId('found-empty').textContent = 'Search, or choose a list.';
}

onClick(byId('open-admin'), () => {
  forgetUsers();
  show('admin');
});

onSubmit(byId('users-form'), ({ search }) => find({ search }));
for (const button of document.querySelectorAll('[data-list]')) {
  onClick(button, () => {
    clearProblem(byId('users-form'));
    return find({ list: button.dataset.list });
  });
}
onClick(byId('found-more'), () => page({ ...query, after: byId('found-more').dataset.after }));

async function find(wanted) {
  if (!(await page(wanted))) return;
  query = wanted;
  close();
  byId('found-title').focus();
}

/** Shows a page of users, below the pages before it. Answers `false` when the administrator cancels the step-up. */
async function page(wanted) {
  const answer = await withStepUp(() => get(`/admin/users?${new URLSearchParams(wanted)}`), FRESH);
  if (!answer) return false;
  if (!wanted.after) byId('found').replaceChildren();
  byId('found').append(...answer.users.map(row));
  byId('found-more').hidden = answer.next === null;
  byId('found-more').dataset.after = answer.next ?? '';
  byId('found-empty').textContent = 'Nobody.';
  byId('found-empty').hidden = byId('found').children.length > 0;
  return true;
}

function row({ id, email, role, enabled }) {
  const line = byId('user-row').content.cloneNode(true).firstElementChild;
  line.querySelector('[data-name]').textContent = email;
  line.querySelector('[data-meta]').textContent = `${role} · two-step verification ${enabled ? 'on' : 'off'}`;
  const button = line.querySelector('[data-open]');
  button.ariaLabel = `Open ${email}`;
  onClick(button, () => open(id));
  return line;
}

async function open(id) {
  const found = await withStepUp(() => get(`/admin/users/${id}`), FRESH);
  if (!found) return;
  close();
  draw(found);
  byId('user-title').focus();
}

function close() {
  user = undefined;
  byId('user-card').hidden = true;
  byId('user-title').textContent = '';
  byId('user-facts').replaceChildren();
  hideCode();
  actions.reset();
  clearProblem(actions);
}

function draw(found) {
  user = found;
  byId('user-card').hidden = false;
  byId('user-title').textContent = user.email;
  byId('user-badge').textContent = user.enabled ? 'On' : 'Off';
  byId('user-badge').dataset.tone = user.enabled ? 'good' : 'plain';
  byId('user-facts').replaceChildren(...Object.entries(factsOf(user)).flatMap(fact));
}

function factsOf({ role, authenticators, backupCodes, locks, mustEnrollSince, recoveryCode, devices }) {
  return {
    Role: role,
    Factors: list(authenticators, withLastUse),
    'Backup codes': String(backupCodes.remaining),
    Locks: list(locks, ({ factor, lockedUntil }) => `${METHODS[factor] ?? factor}, until ${dateText(lockedUntil)}`),
    'Trusted browsers': list(devices, ({ label, lastUsedAt }) =>
      withLastUse({ name: readableName(label), lastUsedAt }),
    ),
    'Must set up a factor': mustEnrollSince ? `since ${dateText(mustEnrollSince)}` : 'no',
    'Recovery code': recoveryCode ? `issued, until ${dateText(recoveryCode.expiresAt)}` : 'none',
  };
}

const withLastUse = ({ name, lastUsedAt }) => (lastUsedAt ? `${name}, last used ${dateText(lastUsedAt)}` : name);

const list = (all, text) => (all.length > 0 ? all.map(text).join('; ') : 'none');

const fact = ([name, value]) => [
  Object.assign(document.createElement('dt'), { textContent: name }),
  Object.assign(document.createElement('dd'), { textContent: value }),
];

onSubmit(actions, async ({ action, reason }) => {
  if (reason.trim() === '') throw fieldProblem('reason', 'Enter a reason.');
  hideCode();
  const { id, email } = user;
  const path = `/admin/users/${id}/${action}`;
  const answer = await withStepUp(() => post(path, { reason: reason.trim() }), FRESH);
  if (!answer) return;
  actions.reset();
  if (action === 'recovery-code') showCode(answer);
  draw(await get(`/admin/users/${id}`));
  notify(`${email}: ${DONE[action]}`);
});

/** The only time that the code can be seen. */
function showCode({ code, expiresAt }) {
  byId('issued-code').textContent = code;
  byId('issued-expiry').textContent = `It works once, until ${dateText(expiresAt)}.`;
  byId('issued').hidden = false;
  byId('issued-title').focus();
}

function hideCode() {
  byId('issued').hidden = true;
  byId('issued-code').textContent = '';
}

onClick(byId('all-events'), () => showEvents());
onClick(byId('user-events'), () => showEvents(user));
onClick(byId('copy-issued'), ({ currentTarget }) => copy(byId('issued-code').textContent, currentTarget));
