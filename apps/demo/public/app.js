import { get, post } from './api.js';
import { drawAdminEntry, forgetUsers } from './admin.js';
import { drawDevices } from './devices.js';
import { drawSecurity, offerNewCodes } from './security.js';
import { startAgain } from './sign-in.js';
import { byId, clearProblem, notify, onClick, show, showAccount } from './ui.js';
import { drawVault } from './vault.js';
import { abandonPasskey } from './webauthn.js';

/** Draws the signed-in page from what the server says now. */
async function enter() {
  const me = await get('/auth/me');
  const status = await get('/mfa/status');
  showAccount(me.email);
  drawAdminEntry(me);
  drawSecurity(status);
  await drawDevices(status);
  await drawVault(status);
  show('home');
}

/** No session any more: the sign-in form, whatever was on the screen. */
function leave(reason) {
  showAccount(null);
  forgetUsers();
  abandonPasskey();
  startAgain(reason);
}

document.addEventListener('changed', ({ detail: said }) => {
  enter()
    .then(() => notify(said))
    .catch((error) => notify(error.message));
});
document.addEventListener('session-ended', () => {
  const wasSignedIn = byId('who').textContent !== '';
  leave(wasSignedIn ? 'Your session has ended. Please sign in again.' : '');
});

onClick(byId('sign-out'), async () => {
  await post('/auth/logout');
  leave('You are signed out.');
});

for (const button of document.querySelectorAll('[data-go]')) {
  onClick(button, () => {
    for (const form of document.forms) clearProblem(form);
    abandonPasskey();
    notify('');
    show(button.dataset.go);
  });
}

enter().then(offerNewCodes, (error) => {
  if (error.status !== 401) leave(error.message);
});
