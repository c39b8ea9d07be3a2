import { Field, ObjectType } from '@nestjs/graphql';

/** What a login returns: a session token, a challenge, or an enrollment that is required. */
@ObjectType()
export class LoginResult {
  @Field(() => String, { nullable: true })
  token?: string;

  @Field(() => Boolean, { nullable: true })
  mfaRequired?: boolean;

  @Field(() => String, { nullable: true })
  mfa_token?: string;

  @Field(() => [String], { nullable: true })
  methods?: string[];

  @Field(() => Boolean, { nullable: true })
  enrollmentRequired?: boolean;

  @Field(() => [String], { nullable: true })
  enrollmentMethods?: string[];

  /** From when a policy requires a second factor of this user. */
  @Field(() => Date, { nullable: true })
  enrollmentDueAt?: Date | null;
}

@ObjectType()
export class SetupResult {
  @Field(() => String)
  secret!: string;

  @Field(() => String)
  qrCode!: string;
}

@ObjectType()
export class ConfirmResult {
  @Field(() => Boolean)
  enabled!: boolean;

  @Field(() => [String], { nullable: true })
  backupCodes?: string[];
}

/** A confirmed enrollment within a login. Without `login` no session was opened, and the user signs in again. */
@ObjectType()
export class EnrolledLogin extends ConfirmResult {
  @Field(() => LoginResult, { nullable: true })
  login?: LoginResult;
}

@ObjectType()
export class Me {
  @Field(() => [String])
  amr!: string[];

  @Field(() => String, { nullable: true })
  mfaAt?: string | null;
}

@ObjectType()
export class Device {
  @Field(() => String)
  id!: string;

  /** The user agent. */
  @Field(() => String)
  label!: string;

  @Field(() => Date)
  lastUsedAt!: Date;

  @Field(() => Date)
  expiresAt!: Date;

  /** Whether it is the browser of this request. */
  @Field(() => Boolean)
  current!: boolean;
}
