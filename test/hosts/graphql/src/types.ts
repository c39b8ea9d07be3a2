import { Field, ObjectType } from '@nestjs/graphql';

/** What a login returns: a session token, or a challenge. */
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

@ObjectType()
export class Me {
  @Field(() => [String])
  amr!: string[];

  @Field(() => String, { nullable: true })
  mfaAt?: string | null;
}
