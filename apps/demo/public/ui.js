export const byId = (id) => document.getElementById(id);

/** Shows one view and moves the focus into it: to its first field that is not a checkbox, else to its heading. */
export function show(name) {
  for (const view of document.querySelectorAll('[data-view]')) view.hidden = view.dataset.view !== name;
  const view = document.querySelector(`[data-view="${name}"]`);
  document.title = `${view.querySelector('h1').textContent} · nestjs-mfa demo`;
  const field = name === 'home' ? null : [...view.querySelectorAll('input:not([type="checkbox"])')].find(isVisible);
  (field ?? view.querySelector('h1')).focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

const isVisible = (element) => element.getClientRects().length > 0;

export const isShown = (name) => !document.querySelector(`[data-view="${name}"]`).hidden;

/** The header of a signed-in user; `null` = of a visitor. */
export function showAccount(email) {
  byId('who').textContent = byId('home-who').textContent = email ?? '';
  for (const part of document.querySelectorAll('[data-signed-in]')) part.hidden = email === null;
}

/** Renders the signed-in page again, then shows what was done. */
export function changed(said = '') {
  document.dispatchEvent(new CustomEvent('changed', { detail: said }));
}

let noticeTimer;

/** Shows a message that is not an error. Screen readers read it, and it disappears by itself. */
export function notify(text) {
  const notice = byId('notice');
  clearTimeout(noticeTimer);
  notice.textContent = text;
  if (!text) return;
  notice.scrollIntoView({ block: 'nearest' });
  noticeTimer = setTimeout(() => (notice.textContent = ''), 8_000);
}

/**
 * Runs `submit(fields)` when the form is sent, once at a time. What it throws is shown in the form, and the
 * field that it concerns gets the focus.
 */
export function onSubmit(form, submit) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (form.ariaBusy === 'true') return;
    clearProblem(form);
    notify('');
    form.ariaBusy = 'true';
    try {
      await submit(Object.fromEntries(new FormData(form)));
    } catch (error) {
      showProblem(form, error);
    } finally {
      form.ariaBusy = null;
    }
  });
}

/** Runs `action` on a click; what it throws is said where notices are. */
export function onClick(element, action) {
  element.addEventListener('click', (event) => {
    void (async () => action(event))().catch((error) => notify(error.message));
  });
}

export function clearProblem(form) {
  const problem = form.querySelector('.problem');
  clearInterval(problem.timer);
  problem.replaceChildren();
  delete problem.dataset.tone;
  for (const input of form.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
}

export function showProblem(form, error) {
  const problem = form.querySelector('.problem');
  clearInterval(problem.timer);
  if (error.calm) problem.dataset.tone = 'calm';
  if (error.retryAfterSeconds) countDown(problem, error);
  else problem.textContent = error.message;
  const code = isAboutCode(error) && [...form.querySelectorAll('.code')].find(isVisible);
  const field = error.field ? form.elements[error.field] : code;
  if (!field) return;
  field.setAttribute('aria-invalid', 'true');
  field.focus();
  field.select?.();
}

/** Whether another code in the field could help. */
const isAboutCode = ({ code }) => !['MFA_REQUIRED_BY_POLICY', 'MFA_SETUP_NOT_FOUND'].includes(code);

/** A problem that the page itself finds, at a field of the form. */
export function fieldProblem(field, message) {
  return Object.assign(new Error(message), { field });
}

/** Says once when to try again, and keeps the visible time current without being read out each second. */
function countDown(problem, error) {
  const until = Date.now() + error.retryAfterSeconds * 1_000;
  // Said aloud once, with the reason; the time that follows changes every second and is for the eyes.
  const time = Object.assign(document.createElement('span'), { ariaHidden: 'true' });
  const spoken = Object.assign(document.createElement('span'), {
    className: 'only-spoken',
    textContent: `Try again in ${duration(error.retryAfterSeconds)}.`,
  });
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / 1_000);
    time.textContent = seconds > 0 ? `Try again in ${duration(seconds)}.` : 'You can try again now.';
    if (seconds <= 0) clearInterval(problem.timer);
  };
  tick();
  problem.timer = setInterval(tick, 1_000);
  problem.replaceChildren(reasonToWait(error, problem), ' ', spoken, time);
}

/** What a user with a lock can do. Few have a recovery code. */
const OTHER_WAYS = '[data-switch]:not([data-switch="recovery_code"])';

function reasonToWait({ code, message }, problem) {
  if (code === 'MFA_LOCKED') {
    const other = [...problem.closest('form').querySelectorAll(OTHER_WAYS)].find(isVisible);
    return `Too many wrong attempts.${other ? ` ${other.textContent}.` : ''}`;
  }
  return code === 'MFA_BUSY' ? 'The server is busy.' : message;
}

function duration(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min${seconds % 60 ? ` ${seconds % 60} s` : ''}`;
  return `${Math.floor(seconds / 3_600)} h ${Math.ceil((seconds % 3_600) / 60)} min`;
}

/** Copies text, and shows that on the button for a moment. */
export async function copy(text, button) {
  const label = (button.dataset.label ??= button.textContent);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
    notify('Copied to the clipboard.');
  } catch {
    notify('Copying is not possible here. Select the text and copy it by hand.');
  }
  setTimeout(() => (button.textContent = label), 2_000);
}

const DATE = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

export const dateText = (iso) => DATE.format(new Date(iso));
