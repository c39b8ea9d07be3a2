import { IsOptional, IsString, Length, Matches, MaxLength, MinLength } from 'class-validator';

/** NUL ends strings in C libraries and is refused by PostgreSQL. */
const WITHOUT_NUL = /^[^\0]*$/;
const NUL_MESSAGE = { message: '$property must not contain NUL' };

/** A TOTP or backup code. */
export class CodeBody {
  @IsString()
  @Length(1, 64)
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  code!: string;
}

export class SetupBody {
  @IsOptional()
  @IsString()
  @Length(1, 64)
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  name?: string;

  @IsOptional()
  @IsString()
  @MaxLength(1024)
  password?: string;

  @IsOptional()
  @IsString()
  @Length(1, 64)
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  code?: string;
}

/** Proof for a change; what it must hold is the service's to say. */
export class ProofBody {
  @IsOptional()
  @IsString()
  @Length(1, 64)
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  code?: string;

  @IsOptional()
  @IsString()
  @MaxLength(1024)
  password?: string;
}

export class RenameBody {
  @IsString()
  @MinLength(1)
  @MaxLength(64)
  @Matches(WITHOUT_NUL, NUL_MESSAGE)
  name!: string;
}
