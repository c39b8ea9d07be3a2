import { get, post } from './api.js';
import { byId, dateText, notify, onClick } from './ui.js';

/** Draws the list of trusted browsers. A user without a factor has none. */
export async function drawDevices({ enabled }) {
  draw(enabled ? (await get('/mfa/devices')).devices : []);
}

function draw(devices) {
  byId('devices').replaceChildren(...devices.map(row));
  byId('devices-none').hidden = devices.length > 0;
}

function row({ id, label, lastUsedAt, expiresAt, current }) {
  const line = byId('device-row').content.cloneNode(true).firstElementChild;
  const name = readableName(label);
  line.querySelector('[data-name]').textContent = name;
  line.querySelector('[data-current]').hidden = !current;
  const meta = line.querySelector('[data-meta]');
  meta.id = `device-${id}`;
  meta.textContent = `Last used ${dateText(lastUsedAt)} · Expires ${dateText(expiresAt)}`;
  const button = line.querySelector('[data-revoke]');
  button.ariaLabel = `Revoke ${name}${current ? ', this one' : ''}`;
  // Several browsers can have one name. The times tell them apart.
  button.setAttribute('aria-describedby', meta.id);
  onClick(button, () => revoke(id, name));
  return line;
}

async function revoke(id, name) {
  // Another tab may have revoked it.
  await post(`/mfa/devices/${id}/revoke`).catch((error) => {
    if (error.code !== 'MFA_DEVICE_NOT_FOUND') throw error;
  });
  draw((await get('/mfa/devices')).devices);
  byId('devices-title').focus();
  notify(`${name} is no longer trusted. Its next sign-in needs a second step.`);
}

/** The first match counts: most browsers also name the ones that they descend from. */
const BROWSERS = [
  ['Edge', /Edg(e|A|iOS)?\//],
  ['Opera', /OPR\//],
  ['Firefox', /(Firefox|FxiOS)\//],
  ['Chrome', /(Chrome|CriOS)\//],
  ['Safari', /Safari\//],
];
const SYSTEMS = [
  ['iPhone', /iPhone/],
  ['iPad', /iPad/],
  ['Android', /Android/],
  ['Windows', /Windows/],
  ['macOS', /Mac OS X/],
  ['ChromeOS', /CrOS/],
  ['Linux', /Linux/],
];

const firstMatch = (list, text) => list.find(([, pattern]) => pattern.test(text))?.[0];

/** `Firefox on Windows` from a user agent; another text stays as it is. */
export function readableName(userAgent) {
  const [browser, system] = [firstMatch(BROWSERS, userAgent), firstMatch(SYSTEMS, userAgent)];
  if (!browser) return userAgent || 'Unknown browser';
  return system ? `${browser} on ${system}` : browser;
}
