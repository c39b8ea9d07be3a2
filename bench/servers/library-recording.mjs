/** Records what the library sends to PostgreSQL for one verification over HTTP. */
import { listenToStatements } from './query-log.mjs';
import { planOf } from './statement-plan.mjs';
import { codeOf, currentStep, wrongCode } from './totp.mjs';

const realNow = Date.now;

/** Plans `{ right, wrong }` for `same-statements.mjs`. Uses up four users. */
export async function recordPlans(port, challenges, { secret, userIds }) {
  const key = Buffer.from(secret, 'hex');
  const [first, second, third, fourth] = userIds;
  const record = (userId, minutes, right) => recordOne({ port, challenges, userId, minutes, key, right });
  return {
    right: planOf(await record(first, 0, true), await record(second, 1, true)),
    wrong: planOf(await record(third, 0, false), await record(fourth, 1, false)),
  };
}

/** One request with a clock that stands still, so that every time in a statement is told from it. */
async function recordOne({ port, challenges, userId, minutes, key, right }) {
  const nowMs = realNow() + minutes * 60_000 - (realNow() % 30_000);
  Date.now = () => nowMs;
  try {
    const { mfa_token } = await challenges.issue(userId);
    const step = currentStep(nowMs);
    const code = right ? codeOf(key, step) : wrongCode(key, nowMs);
    const statements = await recording(() => post(port, { mfa_token, code }, right ? 200 : 401));
    return { statements, context: { userId, tokenId: tokenIdOf(mfa_token), step, nowMs } };
  } finally {
    Date.now = realNow;
  }
}

async function recording(work) {
  const heard = [];
  listenToStatements((statement) => heard.push(statement));
  try {
    await work();
  } finally {
    listenToStatements(null);
  }
  return Promise.all(
    heard.map(async ({ answer, ...statement }) => ({ ...statement, rowCount: (await answer).rowCount })),
  );
}

async function post(port, body, expected) {
  const headers = { 'content-type': 'application/json' };
  const url = `http://127.0.0.1:${port}/mfa/verify`;
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (response.status !== expected) throw new Error(`recording: ${response.status} ${await response.text()}`);
}

/** The id that spending writes: a claim of the token, whichever part of it is JSON. */
function tokenIdOf(token) {
  for (const part of token.split('.')) {
    try {
      const { jti } = JSON.parse(Buffer.from(part, 'base64url'));
      if (jti) return jti;
    } catch {
      continue;
    }
  }
  throw new Error('the mfa_token has no readable `jti` any more: teach it to the recording');
}
