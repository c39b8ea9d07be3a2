import { ProofField } from './proof-field.js';
import { byId, clearProblem, copy, dateText, notify, onClick, onSubmit, show } from './ui.js';

const form = byId('confirm-form');
const field = new ProofField('confirm-code', { methods: ['totp'] });
let asked;

/**
 * Shows the key of an authenticator app until its first code is accepted: then `confirmed(answer)` runs. After a cancel,
 * `cancelled()` runs. `send(path, body)` makes the requests: those of a session, or those of a login.
 */
export function askForFirstCode(setup, { send, step, confirmed, cancelled }) {
  asked = { send, confirmed, cancelled };
  const { qrSvg, manualKey, otpauthUri, expiresAt } = setup;
  byId('setup-scan-step').textContent = step;
  byId('qr').src = `data:image/svg+xml,${encodeURIComponent(qrSvg)}`;
  byId('manual-key').textContent = manualKey;
  linkTo(otpauthUri);
  byId('setup-expiry').textContent = `The key waits for its first code until ${dateText(expiresAt)}.`;
  form.reset();
  clearProblem(form);
  field.reset(['totp']);
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

onSubmit(form, async () => {
  const { send, confirmed } = asked;
  const answer = await field.submit((proof) => send('/mfa/totp/confirm', proof));
  forgetKey();
  return confirmed(answer);
});

/** The server forgets the key as well; one that has expired already is none to cancel. */
onClick(byId('setup-scan-cancel'), async () => {
  const { send, cancelled } = asked;
  forgetKey();
  notify('');
  cancelled();
  await send('/mfa/setup/cancel').catch((error) => {
    if (!['MFA_SETUP_NOT_FOUND', 'MFA_TOKEN_INVALID'].includes(error.code)) throw error;
  });
});

onClick(byId('copy-key'), ({ currentTarget }) =>
  copy(byId('manual-key').textContent.replace(/\s/g, ''), currentTarget),
);
