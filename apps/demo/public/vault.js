import { get, post } from './api.js';
import { stepUp, withStepUp } from './proof-dialog.js';
import { byId, dateText, fieldProblem, notify, onClick, onSubmit } from './ui.js';

const MONEY = new Intl.NumberFormat('en-IE', { style: 'currency', currency: 'EUR' });

/** Opens the vault where this session may see it, and says why not where it may not. */
export async function drawVault({ enabled, methods }) {
  if (!enabled)
    return lock('The vault opens for sign-ins with a second step. Set up two-step verification to see what is in it.');
  try {
    open(await get('/vault'));
  } catch (error) {
    if (error.code !== 'MFA_STEP_UP_REQUIRED') throw error;
    lock('This session has not passed the second step yet.', { unlockable: true });
    byId('vault-unlock').textContent = methods.includes('passkey') ? 'Unlock' : 'Unlock with a code';
  }
}

function lock(reason, { unlockable = false } = {}) {
  badge('Locked', 'plain');
  byId('vault-reason').textContent = reason;
  byId('vault-unlock').hidden = !unlockable;
  byId('vault-locked').hidden = false;
  byId('vault-open').hidden = true;
}

function open({ transfers }) {
  badge('Open', 'good');
  byId('vault-locked').hidden = true;
  byId('vault-open').hidden = false;
  byId('transfers-empty').hidden = transfers.length > 0;
  byId('transfers').replaceChildren(...transfers.map(row));
}

function badge(text, tone) {
  byId('vault-badge').textContent = text;
  byId('vault-badge').dataset.tone = tone;
}

function row({ to, amount, at }) {
  const line = document.createElement('li');
  const who = Object.assign(document.createElement('div'), { className: 'row-text' });
  who.append(
    Object.assign(document.createElement('strong'), { textContent: to }),
    Object.assign(document.createElement('span'), { className: 'meta', textContent: dateText(at) }),
  );
  line.append(
    who,
    Object.assign(document.createElement('span'), { className: 'money', textContent: MONEY.format(amount) }),
  );
  return line;
}

onSubmit(byId('transfer-form'), async ({ to, amount }) => {
  const body = { to: to.trim(), amount: Number(amount.trim().replace(',', '.')) };
  if (body.to === '') throw fieldProblem('to', 'Say who gets it.');
  if (!(body.amount > 0)) throw fieldProblem('amount', 'Enter an amount, as 25 or 25.50.');
  const send = () => post('/vault/transfer', body);
  const sent = await withStepUp(send, `Sending ${MONEY.format(body.amount)} to ${body.to} needs a fresh confirmation.`);
  if (!sent) return;
  byId('transfer-form').reset();
  open(await get('/vault'));
  notify(`Sent ${MONEY.format(sent.amount)} to ${sent.to}.`);
  byId('transfer-to').focus();
});

async function unlock() {
  const text = 'Your second step shows that it is still you.';
  const passed = await stepUp({ title: 'Unlock the vault', text, confirm: 'Unlock' });
  if (!passed) return;
  open(await get('/vault'));
  byId('transfer-to').focus();
}

onClick(byId('vault-unlock'), unlock);
