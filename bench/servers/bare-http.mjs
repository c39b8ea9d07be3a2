/** What the servers without a framework share: JSON over `node:http`, and a token of one HMAC. */
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

/** A token `userId~tokenId~expiresAt~mac`: proof of the first factor, at the price of one HMAC. */
export function signBareToken({ userId, tokenId, expiresAtMs }, key) {
  const payload = `${userId}~${tokenId}~${expiresAtMs}`;
  return `${payload}~${macOf(payload, key)}`;
}

/** What it says, or `null`. */
export function readBareToken(token, key, nowMs) {
  const end = token.lastIndexOf('~');
  const given = Buffer.from(token.slice(end + 1));
  const expected = Buffer.from(macOf(token.slice(0, end), key));
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  const [userId, tokenId, expiresAtMs] = token.slice(0, end).split('~');
  return Number(expiresAtMs) > nowMs ? { userId, tokenId } : null;
}

const macOf = (payload, key) => createHmac('sha256', key).update(payload).digest('base64url');

/** A server of one route: `verify(body)` answers whether the login is complete. */
export function serveVerification(verify) {
  const server = createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      answer(response, Buffer.concat(chunks), verify).catch((error) => send(response, 500, { error: error.message }));
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ port: server.address().port }));
  });
}

async function answer(response, body, verify) {
  const accepted = await verify(JSON.parse(body));
  if (accepted) send(response, 200, { accessToken: randomUUID() });
  else send(response, 401, { statusCode: 401, error: 'Unauthorized' });
}

function send(response, status, content) {
  const json = JSON.stringify(content);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) });
  response.end(json);
}
