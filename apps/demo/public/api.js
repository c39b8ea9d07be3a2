/** Where the page can explain more than the server. */
const PLAIN = {
  MFA_REQUIRED_BY_POLICY:
    'Your role requires two-step verification, so it stays on. To remove your last factor, set up another one first.',
  MFA_SETUP_NOT_FOUND: 'This key has expired, or another tab has made a newer one. Cancel, and start again.',
};

/** An answer that is not a success, in the words of the server. */
export class ApiError extends Error {
  constructor(status, { code, message, proof, retryAfterSeconds } = {}) {
    super([PLAIN[code] ?? message ?? 'Something went wrong. Please try again.'].flat().map(sentence).join(' '));
    this.status = status;
    this.code = code;
    this.proof = proof;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

function sentence(text) {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

/**
 * Calls the server; the session travels in its cookie. Answers the JSON body.
 * @throws ApiError
 */
export async function api(method, path, body) {
  const init = { method, headers: {}, cache: 'no-store' };
  if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  const response = await fetch(path, init).catch(() => {
    throw new ApiError(0, { message: 'The server does not answer. Check the connection and try again.' });
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const retryAfterSeconds = answer.retryAfterSeconds ?? (Number(response.headers.get('Retry-After')) || undefined);
  if (response.status === 401 && isAboutSession(path, answer)) document.dispatchEvent(new Event('session-ended'));
  throw new ApiError(response.status, { ...answer, retryAfterSeconds });
}

/** A refused password or code keeps the page. A missing session leaves it. */
function isAboutSession(path, { code }) {
  return code === 'MFA_NOT_AUTHENTICATED' || (code === undefined && path !== '/auth/login');
}

export const get = (path) => api('GET', path);
export const post = (path, body = {}) => api('POST', path, body);
export const patch = (path, body) => api('PATCH', path, body);
