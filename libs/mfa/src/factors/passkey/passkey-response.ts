import { MfaError } from '../../domain/mfa-error.js';
import type { MfaPasskeyAssertion, MfaPasskeyRegistration } from '../../domain/passkeys/passkey-json.js';

/** Longest credential id: 1023 bytes (WebAuthn Level 3 §4), in characters of base64url. */
const LONGEST_ID = 1364;
const LONGEST_TYPE = 64;
/** Longest response, in characters of all fields. */
const LONGEST_RESPONSE = 65_536;
/** Most transports that are read. WebAuthn Level 3 §5.8.4 has six. */
const MOST_TRANSPORTS = 16;
/** Unknown transports are kept, too (WebAuthn Level 3 §5.2.1). So many of this length just fit in the column. */
const TRANSPORT = /^[a-z][a-z0-9-]{0,14}$/;

/**
 * Copies the known fields of the response to a registration. It does not check their content.
 * @throws MfaError `MFA_BAD_REQUEST` if a field is missing, has the wrong type, or is too long
 */
// S67
export function readRegistration(value: unknown): MfaPasskeyRegistration {
  return readFields(value, (fields) => ({
    ...fields.credential(),
    response: {
      clientDataJSON: fields.inner('clientDataJSON'),
      attestationObject: fields.inner('attestationObject'),
      transports: fields.transports(),
    },
  }));
}

/**
 * Copies the known fields of the response to an assertion. It does not check their content.
 * @throws MfaError `MFA_BAD_REQUEST` if a field is missing, has the wrong type, or is too long
 */
// S67
export function readAssertion(value: unknown): MfaPasskeyAssertion {
  return readFields(value, (fields) => ({
    ...fields.credential(),
    response: {
      clientDataJSON: fields.inner('clientDataJSON'),
      authenticatorData: fields.inner('authenticatorData'),
      signature: fields.inner('signature'),
      userHandle: fields.userHandle(),
    },
  }));
}

function readFields<T>(value: unknown, read: (fields: ResponseFields) => T): T {
  const fields = new ResponseFields(value);
  let copied: T;
  try {
    copied = read(fields);
  } catch {
    // An exotic object of a host's own caller, such as a revoked Proxy.
    throw badRequest(['passkey must be an object']);
  }
  if (fields.problems.length > 0) throw badRequest(fields.problems);
  return copied;
}

const badRequest = (message: string[]) => new MfaError('MFA_BAD_REQUEST', { message });

/** Reads own data properties only: no getter of the input runs, and nothing inherited counts. */
class ResponseFields {
  readonly problems: string[] = [];
  private length = 0;

  constructor(private readonly given: unknown) {}

  credential() {
    if (!isObject(this.given)) this.problem('passkey must be an object');
    return {
      id: this.text(this.given, 'id', LONGEST_ID),
      rawId: this.text(this.given, 'rawId', LONGEST_ID),
      type: this.text(this.given, 'type', LONGEST_TYPE),
    };
  }

  /** A required field of `response`. */
  inner(name: string): string {
    if (!isObject(this.response)) {
      this.problem('passkey.response must be an object');
      return '';
    }
    return this.text(this.response, name, LONGEST_RESPONSE, 'response.');
  }

  /** `undefined` = left out, `null` or empty. An empty user handle is not a user handle (WebAuthn Level 3 §5.4.3). */
  userHandle(): string | undefined {
    const handle = own(this.response, 'userHandle') ?? '';
    return handle === '' ? undefined : this.text(this.response, 'userHandle', LONGEST_RESPONSE, 'response.');
  }

  transports(): string[] {
    const given = own(this.response, 'transports') ?? [];
    const all: unknown[] = Array.isArray(given) && given.length <= MOST_TRANSPORTS ? [...given] : [null];
    if (all.every((each) => typeof each === 'string')) {
      return [...new Set(all.filter((each) => TRANSPORT.test(each)))];
    }
    this.problem(`passkey.response.transports must be a list of at most ${MOST_TRANSPORTS} strings`);
    return [];
  }

  private get response(): unknown {
    return own(this.given, 'response');
  }

  private text(from: unknown, name: string, most: number, path = ''): string {
    const value = own(from, name);
    if (typeof value !== 'string' || value === '' || value.length > most) {
      if (isObject(from)) this.problem(`passkey.${path}${name} must be a string of 1 to ${most} characters`);
      return '';
    }
    this.length += value.length;
    if (this.length > LONGEST_RESPONSE) this.problem(`passkey must have at most ${LONGEST_RESPONSE} characters`);
    return value;
  }

  private problem(message: string): void {
    if (!this.problems.includes(message)) this.problems.push(message);
  }
}

function own(from: unknown, name: string): unknown {
  return isObject(from) ? Object.getOwnPropertyDescriptor(from, name)?.value : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
