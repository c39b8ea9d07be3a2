/** The methods of an Express response or a Fastify reply that are needed to set a cookie. */
export interface MfaCookieResponse {
  getHeader(name: string): number | string | string[] | undefined;
  /** Express and Node. */
  setHeader?(name: string, value: string | string[]): unknown;
  /** Fastify, which appends `set-cookie` values. */
  header?(name: string, value: string): unknown;
}

/** Maximum number of cookies with one name that are read from one request. */
const MOST_COOKIES = 8;

/** The non-empty values of a cookie in a `Cookie` header, in their order, at most 8. */
export function cookieValues(header: unknown, name: string): string[] {
  if (typeof header !== 'string') return [];
  const prefix = `${name}=`;
  // Before a name, only spaces and tabs are removed (RFC 6265 §5.2). `trim` would make the name `\u00a0__Host-…`, which any
  // subdomain can set, a name with the prefix.
  const pairs = header.split(';').map((pair) => pair.trimEnd().replace(/^[ \t]+/, ''));
  const values = pairs.filter((pair) => pair.startsWith(prefix)).map((pair) => pair.slice(prefix.length));
  return values.filter((value) => value !== '').slice(0, MOST_COOKIES);
}

/** Adds a `Set-Cookie` header, beside those that are there, and keeps the response out of caches. */
export function appendCookie(response: MfaCookieResponse, cookie: string): void {
  if (response.setHeader) {
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Set-Cookie', [response.getHeader('Set-Cookie') ?? [], cookie].flat().map(String));
  } else {
    response.header?.('Cache-Control', 'no-store');
    response.header?.('Set-Cookie', cookie);
  }
}
