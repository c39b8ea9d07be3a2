import { get } from './api.js';
import { withStepUp } from './proof-dialog.js';
import { byId, dateText, onClick } from './ui.js';

/** Whose events are shown; `undefined` = those of all users. */
let shown;

/** Shows the newest events of a user, or of all users. */
export async function showEvents(user) {
  if (!(await page(user))) return;
  shown = user;
  byId('events-title').textContent = user ? `Events of ${user.email}` : 'Events of all users';
  byId('events-card').hidden = false;
  byId('events-title').focus();
}

export function forgetEvents() {
  shown = undefined;
  byId('events-card').hidden = true;
  byId('events-title').textContent = '';
  byId('events').replaceChildren();
}

onClick(byId('events-more'), () => page(shown, byId('events-more').dataset.after));

/** Answers `false` when the administrator cancels the step-up. */
async function page(user, after) {
  const query = new URLSearchParams({ ...(user && { user: user.id }), ...(after && { after }) });
  const answer = await withStepUp(
    () => get(`/admin/audit?${query}`),
    'Administration needs a second step from the last five minutes.',
  );
  if (!answer) return false;
  if (!after) byId('events').replaceChildren();
  byId('events').append(...answer.entries.map(row));
  byId('events-empty').hidden = byId('events').children.length > 0;
  byId('events-more').hidden = answer.next === null;
  byId('events-more').dataset.after = answer.next ?? '';
  return true;
}

function row({ type, at, state, user, actor, reason, factor, failure, ip }) {
  const line = byId('event-row').content.cloneNode(true).firstElementChild;
  line.querySelector('[data-name]').textContent = [type, factor, failure].filter(Boolean).join(' · ');
  line.querySelector('[data-who]').textContent = actor === user ? user : `${user}, by ${actor}`;
  const unfinished = state === 'started' && 'started, may not have been done';
  line.querySelector('[data-meta]').textContent = [dateText(at), reason, ip && `from ${ip}`, unfinished]
    .filter(Boolean)
    .join(' · ');
  return line;
}
