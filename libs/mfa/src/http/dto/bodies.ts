import { IsIn, IsObject, IsOptional, IsString, Length, Matches, MaxLength, validateSync } from 'class-validator';
import type { MfaPasskeyAssertion, MfaPasskeyRegistration } from '../../domain/passkeys/passkey-json.js';
import { MfaException } from '../../errors/mfa.exception.js';

/** NUL ends strings in C libraries and is refused by PostgreSQL. */
const WITHOUT_NUL = /^[^\0]*$/;
const PURPOSES = ['verify', 'step-up', 'change'] as const;
const NUL_MESSAGE = { message: '$property must not contain NUL' };

// The lowest decorator is checked first, and the first one that fails is the field's message: a number "must be a string".

/** The first code of a setup. */
export class CodeBody {
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  @Length(1, 64)
  @IsString()
  code!: string;
}

/** A second factor: a code, or the response of a passkey. The service requires one of them. */
export class SecondFactorBody {
  @IsOptional()
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  @Length(1, 64)
  @IsString()
  code?: string;

  /** The method that the proof is for. */
  @IsOptional()
  @Length(1, 64)
  @IsString()
  method?: string;

  @IsOptional()
  @IsObject()
  passkey?: MfaPasskeyAssertion;
}

/** The second factor of a login. */
export class LoginProofBody extends SecondFactorBody {
  @IsOptional()
  @IsIn([true, false, 'token'])
  rememberDevice?: boolean | 'token';
}

/** Proof for a change. The service decides which of them it requires. */
export class ProofBody extends SecondFactorBody {
  @IsOptional()
  @MaxLength(1024)
  @IsString()
  password?: string;
}

export class SetupBody extends ProofBody {
  @IsOptional()
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  @Length(1, 64)
  @IsString()
  name?: string;
}

/** The response of a registration. */
export class PasskeyBody {
  @IsOptional()
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  @Length(1, 64)
  @IsString()
  name?: string;

  @IsObject()
  passkey!: MfaPasskeyRegistration;
}

/** What a proof is for. */
export class PurposeBody {
  @IsOptional()
  @IsIn(PURPOSES)
  purpose?: (typeof PURPOSES)[number];
}

export class RenameBody {
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  @Length(1, 64)
  @IsString()
  name!: string;
}

const BODIES = {
  CodeBody,
  LoginProofBody,
  PasskeyBody,
  ProofBody,
  PurposeBody,
  RenameBody,
  SecondFactorBody,
  SetupBody,
};

/** The DTOs by name. */
export type MfaBodies = { [N in keyof typeof BODIES]: InstanceType<(typeof BODIES)[N]> };
export type BodyName = keyof MfaBodies;

const badRequest = (message: string[]) => new MfaException('MFA_BAD_REQUEST', { message });

/**
 * A request's body as a checked DTO of that name. Unknown fields are ignored, and a field that is `null` counts as left
 * out.
 * @throws MfaException `MFA_BAD_REQUEST` with one message per field
 */
export function readBody<N extends BodyName>(name: N, body: unknown): MfaBodies[N] {
  if (body !== undefined && (typeof body !== 'object' || body === null || Array.isArray(body))) {
    throw badRequest(['the body must be a JSON object']);
  }
  const checked = new BODIES[name]() as unknown as Record<string, unknown>;
  const given = (body ?? {}) as Record<string, unknown>;
  for (const field of Object.keys(checked)) {
    if (Object.hasOwn(given, field) && given[field] !== null) checked[field] = given[field];
  }
  const errors = validateSync(checked, { forbidUnknownValues: true, stopAtFirstError: true });
  if (errors.length > 0) throw badRequest(errors.flatMap(({ constraints }) => Object.values(constraints ?? {})));
  return checked as unknown as MfaBodies[N];
}
