/**
 * better-auth's second step. One user goes the documented way (sign up, enable, confirm, sign in); the others, and the
 * challenges that a sign-in would leave (its password hash takes 60 ms), are copies of that user's rows.
 */
import { createHmac, randomUUID } from 'node:crypto';
import pg from 'pg';
import { cloneRows } from '../cluster/clone-rows.mjs';
import { postRequest } from '../load/connection.mjs';
import { startServer } from '../servers/server-process.mjs';
import { codeOf, currentStep, wrongCode } from '../servers/totp.mjs';
import { Turns } from './turns.mjs';

const BASE_URL = 'http://localhost:3000';
const CREDENTIALS = { email: 'sample@example.test', password: 'correct horse battery' };

export async function betterAuth({ cluster, users, poolSize, key }) {
  const databaseUrl = await cluster.createDatabase('better_auth');
  const server = await startServer('better-auth', { databaseUrl, poolSize, secret: key, baseURL: BASE_URL });
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => {}); // the cluster ends first
  await client.connect();
  const sample = await enrollSample(server.port);
  await cloneUsers(client, users);
  const challenge = await signInSample(server.port, key);
  return { server, tickets: betterAuthTickets({ client, turns: new Turns(users), sample, challenge, key }) };
}

/** Sign up, enable, confirm with the first code; answers the secret and the backup codes. */
async function enrollSample(port) {
  const { cookie } = await call(port, 'sign-up/email', { ...CREDENTIALS, name: 'Sample' });
  const { password } = CREDENTIALS;
  const { body, cookie: kept } = await call(port, 'two-factor/enable', { password }, cookie);
  const secret = fromBase32(new URL(body.totpURI).searchParams.get('secret'));
  const code = codeOf(secret, currentStep(Date.now()));
  await call(port, 'two-factor/verify-totp', { code }, kept || cookie);
  return { secret, backupCodes: body.backupCodes };
}

/** The first factor; answers how its challenge is named in the cookie and in the table. */
async function signInSample(port, key) {
  const { body, cookie } = await call(port, 'sign-in/email', CREDENTIALS);
  if (!body.twoFactorRedirect) throw new Error('better-auth did not ask for the second factor');
  const [, name, value] = /(?:^|; )([^=;]*two_factor)=([^;]+)/.exec(cookie);
  const [identifier] = decodeURIComponent(value).split('.');
  if (cookieOf(name, identifier, key) !== `${name}=${value}`)
    throw new Error('better-auth signs its cookies differently now');
  return { cookieName: name, identifier };
}

const cookieOf = (name, identifier, key) =>
  `${name}=${encodeURIComponent(`${identifier}.${createHmac('sha256', key).update(identifier).digest('base64')}`)}`;

async function cloneUsers(client, users) {
  const source = `generate_series(0, ${users - 1}) g(n)`;
  const user = `'user-' || g.n`;
  const ofSample = `IN (SELECT id FROM "user" WHERE email = '${CREDENTIALS.email}')`;
  const userRows = { table: 'user', where: `id ${ofSample}`, overrides: { id: user, email: `g.n || '@example.test'` } };
  await cloneRows(client, { source, ...userRows });
  for (const table of ['account', 'twoFactor']) {
    const overrides = { id: `'${table}-' || g.n`, userId: user };
    await cloneRows(client, { source, table, where: `"userId" ${ofSample}`, overrides });
  }
}

/** As if each of these users had just given the password; answers their cookies. */
async function openChallenges(client, users, { cookieName, identifier }, key) {
  const ids = users.map(() => `2fa-${randomUUID().replaceAll('-', '').slice(0, 20)}`);
  const source = 'unnest($1::text[], $2::text[]) g(id, user_id)';
  const values = [ids, users.map((user) => `user-${user}`)];
  const rows = (sample, overrides) =>
    cloneRows(client, { table: 'verification', where: `identifier = '${sample}'`, source, values, overrides });
  await rows(identifier, {
    id: 'g.id',
    identifier: 'g.id',
    value: 'g.user_id',
    expiresAt: `now() + interval '10 minutes'`,
  });
  await rows(`2fa-attempts-${identifier}`, {
    id: `'attempts-' || g.id`,
    identifier: `'2fa-attempts-' || g.id`,
    expiresAt: `now() + interval '10 minutes'`,
  });
  return ids.map((id) => cookieOf(cookieName, id, key));
}

function betterAuthTickets({ client, turns, sample: { secret, backupCodes }, challenge, key }) {
  let spentCodes = 0;
  const tickets = async (path, guesses) => {
    const cookies = await openChallenges(
      client,
      guesses.map(({ user }) => user),
      challenge,
      key,
    );
    const headers = (index) => ({ cookie: cookies[index], origin: BASE_URL });
    return guesses.map(({ code }, index) => postRequest(`/api/auth/two-factor/${path}`, { code }, headers(index)));
  };
  const guess = (path, count, code) =>
    tickets(
      path,
      turns.wrong(count).map((user) => ({ user, code })),
    );
  const nextBackupCode = () => {
    const user = spentCodes % turns.users;
    return { user, code: backupCodes[Math.floor(spentCodes++ / turns.users)] };
  };
  return {
    async totpRight(count) {
      const right = await turns.right(count);
      return tickets(
        'verify-totp',
        right.map(({ user, step }) => ({ user, code: codeOf(secret, step) })),
      );
    },
    totpWrong: (count) => guess('verify-totp', count, wrongCode(secret, Date.now())),
    backupRight: (count) => tickets('verify-backup-code', Array.from({ length: count }, nextBackupCode)),
    backupWrong: (count) => guess('verify-backup-code', count, 'aaaaa-aaaaa'),
  };
}

async function call(port, path, body, cookie = '') {
  const headers = { 'content-type': 'application/json', origin: BASE_URL, cookie };
  const url = `http://127.0.0.1:${port}/api/auth/${path}`;
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  const answer = await response.text();
  if (!response.ok) throw new Error(`better-auth ${path}: ${response.status} ${answer}`);
  const set = response.headers.getSetCookie().map((line) => line.split(';')[0]);
  return { body: JSON.parse(answer), cookie: set.join('; ') };
}

function fromBase32(text) {
  const bits = Array.from(text.replaceAll('=', ''), (symbol) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(symbol).toString(2).padStart(5, '0'),
  ).join('');
  return Buffer.from(bits.match(/.{8}/g).map((eight) => parseInt(eight, 2)));
}
