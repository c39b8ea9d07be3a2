import { IsOptional, IsString, Length, Matches, MaxLength } from 'class-validator';

/** NUL ends strings in C libraries and is refused by PostgreSQL. */
const WITHOUT_NUL = /^[^\0]*$/;
const NUL_MESSAGE = { message: '$property must not contain NUL' };

// The lowest decorator is checked first, and the first one that fails is the field's message: a number "must be a string".

/** A TOTP or backup code. */
export class CodeBody {
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  @Length(1, 64)
  @IsString()
  code!: string;

  /** The method that the code is for. */
  @IsOptional()
  @Length(1, 64)
  @IsString()
  method?: string;
}

export class SetupBody {
  @IsOptional()
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  @Length(1, 64)
  @IsString()
  name?: string;

  @IsOptional()
  @MaxLength(1024)
  @IsString()
  password?: string;

  @IsOptional()
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  @Length(1, 64)
  @IsString()
  code?: string;
}

/** Proof for a change. The service decides which of them it requires. */
export class ProofBody {
  @IsOptional()
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  @Length(1, 64)
  @IsString()
  code?: string;

  @IsOptional()
  @MaxLength(1024)
  @IsString()
  password?: string;
}

export class RenameBody {
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  @Length(1, 64)
  @IsString()
  name!: string;
}
