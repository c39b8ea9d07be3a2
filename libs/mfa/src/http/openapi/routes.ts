import { boolean, dateTime, list, method, object, only, ref, session, string, type Schema } from './schemas.js';

/** The extension by which the module's handlers are known in a document that `@nestjs/swagger` has made. */
export const OPENAPI_MARK = 'x-nestjs-mfa';

/** One built-in route as OpenAPI describes it. */
export interface DocumentedRoute {
  method: 'get' | 'post' | 'patch';
  /** Below the prefix of the routes. */
  path: string;
  operationId: string;
  summary: string;
  /** Who may call it: a signed-in user, or the holder of an mfa_token, or both. */
  caller: 'principal' | 'token' | 'either';
  body?: Schema;
  response: Schema;
  /** Codes of its errors by status. */
  errors: Record<number, string[]>;
}

const code = string('A TOTP code or a backup code; spaces, hyphens and case do not matter');
const passkey: Schema = {
  type: 'object',
  description: 'Instead of a code: what navigator.credentials.get() returned, as JSON',
};
const proof = { code, method, passkey };
const PROOF = Object.keys(proof);
const rememberDevice: Schema = {
  description: 'Trust this device: `true` for a browser, `token` for an app',
  oneOf: [boolean, { type: 'string', enum: ['token'] }],
};
const devices = object({ devices: list(ref('MfaDevice')) });
const password = string("The host's password, where it proves the owner");
const name: Schema = { type: 'string', minLength: 1, maxLength: 64 };
const mfaToken = string('From the login. It may come in the header x-mfa-token, as Bearer or as cookie instead');

const webAuthn = (call: string): Schema => ({ type: 'object', description: `For navigator.credentials.${call}()` });

/** For the routes of an enrollment within a login. */
const login = {
  mfa_token: string('The token of a login that must enroll; instead of a session'),
  purpose: string('`verify` for the token in the cookie, also where the browser has a session'),
};
const LOGIN = Object.keys(login);
const enrolled = object(
  {
    enabled: only(true),
    backupCodes: list(string()),
    session,
    login: { description: 'What the host returns for a completed login' },
  },
  ['backupCodes', 'session', 'login'],
);
const ENROLLMENT = { 403: ['MFA_ENROLLMENT_REQUIRED'] };

const UNKNOWN_USER = { 401: ['MFA_NOT_AUTHENTICATED'] };
const BAD_BODY = { 400: ['MFA_BAD_REQUEST'] };
const LIMITS = { 429: ['MFA_LOCKED'], 503: ['MFA_BUSY'] };
const BUSY = { 503: ['MFA_BUSY'] };
const CHANGE = { 401: ['MFA_NOT_AUTHENTICATED', 'MFA_PROOF_REQUIRED', 'MFA_CODE_REJECTED'] };
const CHANGE_OR_LOGIN = { 401: [...CHANGE[401], 'MFA_TOKEN_INVALID'] };
const OFF = { 409: ['MFA_NOT_ENABLED'] };

export const ROUTES: readonly DocumentedRoute[] = [
  {
    method: 'get',
    path: 'status',
    operationId: 'mfaStatus',
    summary: 'What is set up',
    caller: 'principal',
    response: ref('MfaStatus'),
    errors: { ...UNKNOWN_USER, ...BUSY },
  },
  {
    method: 'post',
    path: 'totp/setup',
    operationId: 'mfaTotpSetup',
    summary: 'Start an enrollment, or repeat the one that this session has started',
    caller: 'either',
    body: object({ ...login, name, password, ...proof }, [...LOGIN, 'name', 'password', ...PROOF]),
    response: ref('MfaSetup'),
    errors: { ...BAD_BODY, ...CHANGE_OR_LOGIN, ...ENROLLMENT, 409: ['MFA_TOO_MANY_AUTHENTICATORS'], ...LIMITS },
  },
  {
    method: 'post',
    path: 'totp/confirm',
    operationId: 'mfaTotpConfirm',
    summary: 'Confirm the enrollment by its first code',
    caller: 'either',
    body: object({ ...login, code }, LOGIN),
    response: enrolled,
    errors: {
      ...BAD_BODY,
      401: ['MFA_NOT_AUTHENTICATED', 'MFA_TOKEN_INVALID', 'MFA_CODE_REJECTED'],
      ...ENROLLMENT,
      404: ['MFA_SETUP_NOT_FOUND'],
      409: ['MFA_TOO_MANY_AUTHENTICATORS'],
      ...LIMITS,
    },
  },
  {
    method: 'post',
    path: 'passkeys/setup',
    operationId: 'mfaPasskeySetup',
    summary: 'Start the registration of a passkey',
    caller: 'either',
    body: object({ ...login, password, ...proof }, [...LOGIN, 'password', ...PROOF]),
    response: object({ options: webAuthn('create'), expiresAt: dateTime }),
    errors: { ...BAD_BODY, ...CHANGE_OR_LOGIN, ...ENROLLMENT, 409: ['MFA_TOO_MANY_AUTHENTICATORS'], ...LIMITS },
  },
  {
    method: 'post',
    path: 'passkeys/confirm',
    operationId: 'mfaPasskeyConfirm',
    summary: 'Confirm the registration by the response of the browser',
    caller: 'either',
    body: object(
      {
        ...login,
        name,
        passkey: { type: 'object', description: 'What navigator.credentials.create() returned, as JSON' },
      },
      [...LOGIN, 'name'],
    ),
    response: enrolled,
    errors: {
      ...BAD_BODY,
      401: ['MFA_NOT_AUTHENTICATED', 'MFA_TOKEN_INVALID', 'MFA_CODE_REJECTED'],
      ...ENROLLMENT,
      409: ['MFA_TOO_MANY_AUTHENTICATORS'],
      ...BUSY,
    },
  },
  {
    method: 'post',
    path: 'passkeys/options',
    operationId: 'mfaPasskeyOptions',
    summary: 'What the browser needs to use a passkey',
    caller: 'either',
    body: object({ mfa_token: mfaToken, purpose: string('`verify`, `step-up` or `change`') }, ['mfa_token', 'purpose']),
    response: object({ options: webAuthn('get'), expiresAt: dateTime }),
    errors: {
      ...BAD_BODY,
      401: ['MFA_NOT_AUTHENTICATED', 'MFA_TOKEN_INVALID'],
      404: ['MFA_AUTHENTICATOR_NOT_FOUND'],
      ...BUSY,
    },
  },
  {
    method: 'post',
    path: 'setup/cancel',
    operationId: 'mfaSetupCancel',
    summary: 'Drop the setup that this session has started',
    caller: 'either',
    body: object(login, LOGIN),
    response: { oneOf: [ref('MfaStatus'), object({ pendingSetup: only(false) })] },
    errors: { ...BAD_BODY, 401: ['MFA_NOT_AUTHENTICATED', 'MFA_TOKEN_INVALID'], 404: ['MFA_SETUP_NOT_FOUND'], ...BUSY },
  },
  {
    method: 'get',
    path: 'challenge',
    operationId: 'mfaChallenge',
    summary: "What a login's second step can be passed with",
    caller: 'token',
    response: ref('MfaChallenge'),
    errors: { 401: ['MFA_TOKEN_INVALID'], ...BUSY },
  },
  {
    method: 'post',
    path: 'verify',
    operationId: 'mfaVerify',
    summary: "A login's second step",
    caller: 'token',
    body: object({ mfa_token: mfaToken, ...proof, rememberDevice }, ['mfa_token', ...PROOF, 'rememberDevice']),
    response: {
      description:
        'What the host returns for a completed login; or `MfaEnrollmentRequired`, after a recovery code or a method that the policy does not allow',
      anyOf: [ref('MfaEnrollmentRequired'), {}],
    },
    errors: { ...BAD_BODY, 401: ['MFA_TOKEN_INVALID', 'MFA_CODE_REJECTED'], ...LIMITS },
  },
  {
    method: 'post',
    path: 'step-up',
    operationId: 'mfaStepUp',
    summary: 'Prove the second factor again',
    caller: 'principal',
    body: object(proof, PROOF),
    response: object({ amr: list(string()), mfaAt: dateTime, session }, ['session']),
    errors: { ...BAD_BODY, 401: ['MFA_NOT_AUTHENTICATED', 'MFA_CODE_REJECTED'], ...OFF, ...LIMITS },
  },
  {
    method: 'post',
    path: 'backup-codes/regenerate',
    operationId: 'mfaRegenerateBackupCodes',
    summary: 'Replace the backup codes',
    caller: 'principal',
    body: object(proof, PROOF),
    response: object({ backupCodes: list(string()), session }, ['session']),
    errors: { ...BAD_BODY, ...CHANGE, ...OFF, ...LIMITS },
  },
  {
    method: 'patch',
    path: 'authenticators/{id}',
    operationId: 'mfaRenameAuthenticator',
    summary: 'Rename an authenticator',
    caller: 'principal',
    body: object({ name }),
    response: ref('MfaAuthenticator'),
    errors: { ...BAD_BODY, ...UNKNOWN_USER, 404: ['MFA_AUTHENTICATOR_NOT_FOUND'], ...BUSY },
  },
  {
    method: 'post',
    path: 'authenticators/{id}/remove',
    operationId: 'mfaRemoveAuthenticator',
    summary: 'Remove an authenticator; removing the last one is disabling',
    caller: 'principal',
    body: object(proof, PROOF),
    response: ref('MfaRemoval'),
    errors: {
      ...BAD_BODY,
      ...CHANGE,
      403: ['MFA_REQUIRED_BY_POLICY'],
      404: ['MFA_AUTHENTICATOR_NOT_FOUND'],
      ...OFF,
      ...LIMITS,
    },
  },
  {
    method: 'get',
    path: 'devices',
    operationId: 'mfaDevices',
    summary: 'The trusted devices',
    caller: 'principal',
    response: devices,
    errors: { ...UNKNOWN_USER, ...BUSY },
  },
  {
    method: 'post',
    path: 'devices/{id}/revoke',
    operationId: 'mfaRevokeDevice',
    summary: 'End the trust in one device',
    caller: 'principal',
    response: devices,
    errors: { ...UNKNOWN_USER, 404: ['MFA_DEVICE_NOT_FOUND'], ...BUSY },
  },
  {
    method: 'post',
    path: 'disable',
    operationId: 'mfaDisable',
    summary: 'Remove every factor',
    caller: 'principal',
    body: object({ password, ...proof }, ['password', ...PROOF]),
    response: object({ enabled: boolean, session }, ['session']),
    errors: { ...BAD_BODY, ...CHANGE, 403: ['MFA_REQUIRED_BY_POLICY'], ...OFF, ...LIMITS },
  },
];
