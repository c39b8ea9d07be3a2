import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsEmail, IsIn, IsString, Length, MaxLength, ValidateIf } from 'class-validator';
import { OPEN_ROLES } from './role.js';

/**
 * An address in one spelling: nobody means two accounts by `Ada@` and `ada@`. Text that is not printable ASCII is
 * taken out before `IsEmail` sees it, which throws on lone surrogates.
 */
function normalized(value: unknown): string | undefined {
  const email = typeof value === 'string' ? value.trim().toLowerCase() : '';
  return /^[\x21-\x7e]{3,254}$/.test(email) ? email : undefined;
}

const Email = () =>
  applyDecorators(
    ApiProperty({ example: 'ada@example.com' }),
    Transform(({ value }) => normalized(value)),
    IsEmail({}, { message: 'email must be an e-mail address' }),
  );

export class LoginDto {
  @Email()
  email!: string;

  @ApiProperty({ example: 'correct horse battery' })
  @IsString({ message: 'password must be a text' })
  @MaxLength(256, { message: 'password must have at most 256 characters' })
  password!: string;
}

export class RegisterDto {
  @Email()
  email!: string;

  @ApiProperty({ example: 'correct horse battery', minLength: 8, maxLength: 256 })
  @Length(8, 256, { message: 'password must have 8 to 256 characters' })
  password!: string;

  @ApiPropertyOptional({
    enum: OPEN_ROLES,
    default: 'member',
    description: 'Decides whether a second factor is required',
  })
  @ValidateIf((_, role) => role !== undefined)
  @IsIn(OPEN_ROLES, { message: `role must be one of: ${OPEN_ROLES.join(', ')}` })
  role?: (typeof OPEN_ROLES)[number];
}
