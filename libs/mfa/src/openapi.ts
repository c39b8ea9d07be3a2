/** The parts of an OpenAPI 3 document that are written here. */
export interface OpenApiDocument {
  paths: Record<string, unknown>;
  components?: { schemas?: Record<string, unknown> };
  [key: string]: unknown;
}

type Schema = Record<string, unknown>;

const string = (description?: string): Schema => ({ type: 'string', ...(description ? { description } : {}) });
const boolean: Schema = { type: 'boolean' };
const onlyTrue: Schema = { type: 'boolean', enum: [true] };
const integer: Schema = { type: 'integer' };
const dateTime: Schema = { type: 'string', format: 'date-time' };
const list = (items: Schema): Schema => ({ type: 'array', items });
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const object = (properties: Record<string, Schema>, optional: string[] = []): Schema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
});

const code = string('A TOTP code or a backup code; spaces, hyphens and case do not matter');
const password = string("The host's password, where it proves the owner");
const name = { type: 'string', minLength: 1, maxLength: 64 };
const method = { type: 'string', enum: ['totp', 'backup_code'] };

const SCHEMAS: Record<string, Schema> = {
  MfaError: object(
    {
      statusCode: integer,
      code: string('A stable error code, as MFA_CODE_REJECTED'),
      message: { oneOf: [string(), list(string())] },
      error: string(),
      retryAfterSeconds: integer,
    },
    ['retryAfterSeconds'],
  ),
  MfaAuthenticator: object(
    {
      id: string(),
      name: string(),
      createdAt: dateTime,
      lastUsedAt: { ...dateTime, nullable: true },
      weak: { ...onlyTrue, description: 'There when the secret was imported with under 128 bits: enroll again' },
    },
    ['weak'],
  ),
  MfaStatus: object({
    enabled: boolean,
    methods: list(method),
    authenticators: list(ref('MfaAuthenticator')),
    backupCodes: object(
      {
        remaining: integer,
        low: boolean,
        regenerate: { ...onlyTrue, description: 'There when the codes were imported: regenerate them' },
      },
      ['regenerate'],
    ),
    pendingSetup: boolean,
  }),
  MfaSetup: object({
    authenticatorId: string(),
    secret: string('Base32'),
    manualKey: string('The secret in groups of four'),
    otpauthUri: string(),
    qrCode: string('PNG data URL'),
    qrSvg: string(),
    expiresAt: dateTime,
  }),
};

interface Route {
  method: 'get' | 'post' | 'patch';
  path: string;
  summary: string;
  body?: Schema;
  answer: Schema;
  errors: number[];
  parameters?: Schema[];
}

const id: Schema = { name: 'id', in: 'path', required: true, schema: string() };
const oneCode = object({ code });
const session: Schema = { description: 'What the host answers' };

const ROUTES: Route[] = [
  { method: 'get', path: 'status', summary: 'What is set up', answer: ref('MfaStatus'), errors: [401] },
  {
    method: 'post',
    path: 'totp/setup',
    summary: 'Start an enrollment, or repeat the one under way',
    body: object({ name, password, code }, ['name', 'password', 'code']),
    answer: ref('MfaSetup'),
    errors: [400, 401, 409, 415, 429, 503],
  },
  {
    method: 'post',
    path: 'totp/confirm',
    summary: 'Confirm the enrollment by its first code',
    body: oneCode,
    answer: object({ enabled: boolean, backupCodes: list(string()), session }, ['backupCodes', 'session']),
    errors: [400, 401, 404, 415, 429, 503],
  },
  {
    method: 'post',
    path: 'verify',
    summary: "A login's second step",
    body: object({ mfa_token: string('From the login; also as Bearer, x-mfa-token or cookie'), code }, ['mfa_token']),
    answer: session,
    errors: [400, 401, 415, 429, 503],
  },
  {
    method: 'post',
    path: 'step-up',
    summary: 'Prove the second factor again',
    body: oneCode,
    answer: object({ amr: list(string()), mfaAt: dateTime, session }, ['session']),
    errors: [400, 401, 409, 415, 429, 503],
  },
  {
    method: 'post',
    path: 'backup-codes/regenerate',
    summary: 'Replace the backup codes',
    body: oneCode,
    answer: object({ backupCodes: list(string()) }),
    errors: [400, 401, 409, 415, 429, 503],
  },
  {
    method: 'patch',
    path: 'authenticators/{id}',
    summary: 'Rename an authenticator',
    parameters: [id],
    body: object({ name }),
    answer: ref('MfaAuthenticator'),
    errors: [400, 401, 404, 415],
  },
  {
    method: 'post',
    path: 'authenticators/{id}/remove',
    summary: 'Remove an authenticator; removing the last one is disabling',
    parameters: [id],
    body: oneCode,
    answer: ref('MfaStatus'),
    errors: [400, 401, 404, 409, 415, 429, 503],
  },
  {
    method: 'post',
    path: 'disable',
    summary: 'Remove every factor',
    body: object({ code, password }, ['code', 'password']),
    answer: object({ enabled: boolean }),
    errors: [400, 401, 409, 415, 429, 503],
  },
];

const json = (schema: Schema) => ({ 'application/json': { schema } });

function operation({ summary, body, answer, errors, parameters }: Route): Schema {
  const failures = errors.map((status) => [status, { description: 'See `code`', content: json(ref('MfaError')) }]);
  return {
    tags: ['MFA'],
    summary,
    ...(parameters ? { parameters } : {}),
    ...(body ? { requestBody: { required: true, content: json(body) } } : {}),
    responses: { 200: { description: 'Done', content: json(answer) }, ...Object.fromEntries(failures) },
  };
}

/**
 * Adds the module's routes to an OpenAPI document, as `SwaggerModule.createDocument` makes it. Needs no
 * `@nestjs/swagger` itself.
 * @param path where the routes are mounted, global prefix included; begins with a slash
 * @returns the same document
 */
export function addMfaToOpenApi<T extends object>(document: T, { path = '/mfa' }: { path?: string } = {}): T {
  const target = document as unknown as OpenApiDocument;
  const schemas = { ...target.components?.schemas, ...SCHEMAS };
  target.components = { ...target.components, schemas };
  for (const route of ROUTES) {
    const at = `${path.replace(/\/$/, '')}/${route.path}`;
    target.paths[at] = { ...(target.paths[at] as object | undefined), [route.method]: operation(route) };
  }
  return document;
}
