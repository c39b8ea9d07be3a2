import type { DocumentedRoute } from './routes.js';
import { integer, object, ref, string, type Schema } from './schemas.js';

/** Name of the security scheme of an mfa_token. */
export const TOKEN_SCHEME = 'MfaToken';

export const SECURITY_SCHEMES: Record<string, Schema> = {
  [TOKEN_SCHEME]: { type: 'apiKey', in: 'header', name: 'x-mfa-token', description: 'The mfa_token of a login' },
};

const json = (schema: Schema) => ({ 'application/json': { schema } });

function failure(codes: string[]): Schema {
  const schema = {
    allOf: [ref('MfaError'), { type: 'object', properties: { code: { type: 'string', enum: codes } } }],
  };
  return { description: codes.join(', '), content: json(schema) };
}

/** Nest's own shape, which has no code. */
const UNSUPPORTED: Schema = {
  description: 'The body is not application/json',
  content: json(object({ statusCode: integer, message: string(), error: string() })),
};

/** Path parameters that a path template names. */
const parametersOf = (path: string): Schema[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: string() }));

/**
 * One operation of an OpenAPI document.
 * @param path the whole path
 * @param hostSchemes names of the security schemes of a signed-in user; each of them alone suffices
 */
export function operation(route: DocumentedRoute, path: string, hostSchemes: readonly string[]): Schema {
  const { operationId, summary, caller, body, response, errors, method } = route;
  const parameters = parametersOf(path);
  const failures = Object.entries(errors).map(([status, codes]) => [status, failure(codes)]);
  // Without a scheme of the host there is none to name. A token may come in the body or a cookie as well.
  const ofToken = caller === 'principal' ? [] : [{ [TOKEN_SCHEME]: [] }, {}];
  const security = [...ofToken, ...(caller === 'token' ? [] : hostSchemes.map((name) => ({ [name]: [] })))];
  return {
    tags: ['MFA'],
    operationId,
    summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(body) } }),
    ...(security.length > 0 ? { security } : {}),
    responses: {
      200: { description: 'Done', content: json(response) },
      ...Object.fromEntries(failures),
      ...(method === 'get' ? {} : { 415: UNSUPPORTED }),
    },
  };
}
