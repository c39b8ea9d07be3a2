let accessToken = '';

/** Sends JSON with the access token, and keeps a new one. Throws the body of an error: `{ code, message, proof? }`. */
async function send(method: string, path: string, body?: object): Promise<any> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${accessToken}` };
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const result = await response.json();
  if (!response.ok) throw result;
  accessToken = (result.session ?? result).accessToken ?? accessToken;
  return result;
}

export const get = (path: string) => send('GET', path);
export const post = (path: string, body: object = {}) => send('POST', path, body);
