/** A JSON schema, as OpenAPI 3 has it. */
export type Schema = Record<string, unknown>;

export const string = (description?: string): Schema => ({
  type: 'string',
  ...(description === undefined ? {} : { description }),
});
export const boolean: Schema = { type: 'boolean' };
export const only = (value: boolean): Schema => ({ type: 'boolean', enum: [value] });
export const integer: Schema = { type: 'integer' };
export const dateTime: Schema = { type: 'string', format: 'date-time' };
export const list = (items: Schema): Schema => ({ type: 'array', items });
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** An object whose properties are required, but for the optional ones. `required` must not be empty (OpenAPI 3.0). */
export function object(properties: Record<string, Schema>, optional: string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, ...(required.length > 0 ? { required } : {}) };
}

export const method: Schema = {
  type: 'string',
  description: '`totp`, `passkey`, `backup_code`, `recovery_code`, or a method of a factor that the application adds',
};
export const session: Schema = { description: "What the host's method returned, as a new session or token" };

const authenticator = (nullableTime: Schema) =>
  object(
    {
      id: string(),
      type: string('`totp`, `passkey`, or a method of a factor that the application adds'),
      name: string(),
      createdAt: dateTime,
      lastUsedAt: nullableTime,
      weak: { ...only(true), description: 'Present if the secret was imported with under 128 bits: enroll again' },
    },
    ['weak'],
  );

const STATUS: Record<string, Schema> = {
  enabled: boolean,
  methods: list(method),
  authenticators: list(ref('MfaAuthenticator')),
  backupCodes: object(
    {
      remaining: integer,
      low: boolean,
      regenerate: { ...only(true), description: 'Present if the codes were imported: regenerate them' },
    },
    ['regenerate'],
  ),
  pendingSetup: boolean,
  enrollmentDueAt: {
    ...dateTime,
    description: 'From when a policy is enforced for a user who has no factor that it allows',
  },
  proof: {
    ...list(string()),
    description:
      'The proofs of which the next change needs one: `password`, `recent-sign-in`, `code`, `passkey`, `backup_code` or `recovery_code`',
  },
};

const REMOVED = object({
  id: string(),
  type: string('`totp`, `passkey`, or a method of a factor that the application adds'),
  name: string(),
  createdAt: dateTime,
});

/** Everything that the operations refer to. OpenAPI 3.0 has `nullable`, 3.1 has the type `null`. */
export function schemasOf(openapi: string): Record<string, Schema> {
  const nullableTime = openapi.startsWith('3.0')
    ? { ...dateTime, nullable: true }
    : { ...dateTime, type: ['string', 'null'] };
  return {
    MfaError: object(
      {
        statusCode: integer,
        code: string('A stable code; each operation lists its own'),
        message: { oneOf: [string(), list(string())] },
        error: string(),
        proof: { ...list(string()), description: 'With MFA_PROOF_REQUIRED: the proof that is missing' },
        methods: {
          ...list(method),
          description: 'With MFA_ENROLLMENT_REQUIRED: what the user must enroll, where not any',
        },
        retryAfterSeconds: integer,
      },
      ['proof', 'methods', 'retryAfterSeconds'],
    ),
    MfaAuthenticator: authenticator(nullableTime),
    MfaDevice: object({
      id: string(),
      label: string('The user agent of the request in which it was trusted'),
      method,
      createdAt: dateTime,
      lastUsedAt: dateTime,
      expiresAt: dateTime,
      current: { ...boolean, description: 'Whether the request came from this browser' },
    }),
    MfaStatus: object(STATUS, ['enrollmentDueAt']),
    // A removal that is done stays done: where the status cannot be read afterwards, only `enabled` is there.
    MfaRemoval: object({ ...STATUS, removed: REMOVED, session }, [
      ...Object.keys(STATUS).slice(1),
      'removed',
      'session',
    ]),
    MfaSetup: object({
      authenticatorId: string(),
      secret: string('Base32'),
      manualKey: string('The secret in groups of four'),
      otpauthUri: string(),
      qrCode: string('PNG data URL'),
      qrSvg: string(),
      expiresAt: dateTime,
      resumed: { ...boolean, description: 'Whether this repeats the setup that the session has started' },
    }),
    MfaEnrollmentRequired: object({
      mfaRequired: only(true),
      enrollmentRequired: only(true),
      mfa_token: string('Opens the routes of an enrollment, and nothing else'),
      methods: list(method),
      enrollmentMethods: list(method),
      expiresIn: { ...integer, description: 'Seconds' },
    }),
    MfaChallenge: object(
      {
        mfaRequired: only(true),
        enrollmentRequired: only(true),
        methods: list(method),
        enrollmentMethods: list(method),
        expiresIn: { ...integer, description: 'Seconds' },
      },
      ['enrollmentRequired', 'enrollmentMethods'],
    ),
  };
}
