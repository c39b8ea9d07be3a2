import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsUUID, Matches, ValidateIf } from 'class-validator';

/** Lists of users whom an administrator may look for. */
export const LISTS = ['locked', 'disabled', 'few-codes', 'must-enroll'] as const;
export type ListName = (typeof LISTS)[number];

const IfGiven = () => ValidateIf((_, value) => value !== undefined);

export class FindUsersDto {
  @ApiPropertyOptional({ description: 'A part of the e-mail address. Left out = every user', example: 'ada@' })
  @IfGiven()
  @Transform(({ value }) => (typeof value === 'string' ? value.trim().toLowerCase() : value))
  @Matches(/^[\x20-\x7e]{0,254}$/, { message: 'search must be a part of an e-mail address' })
  search?: string;

  @ApiPropertyOptional({ enum: LISTS, description: 'Instead of a search' })
  @IfGiven()
  @IsIn(LISTS, { message: `list must be one of: ${LISTS.join(', ')}` })
  list?: ListName;

  @ApiPropertyOptional({ description: '`next` of the page before' })
  @IfGiven()
  @Matches(/^[\x21-\x7e]{1,300}$/, { message: 'after must be `next` of the page before' })
  after?: string;
}

export class AuditDto {
  @ApiPropertyOptional({ description: 'The id of a user. Left out = every user' })
  @IfGiven()
  @IsUUID(undefined, { message: 'user must be the id of a user' })
  user?: string;

  @ApiPropertyOptional({ description: '`next` of the page before' })
  @IfGiven()
  @Matches(/^\d{13}[0-9a-f]{16}$/, { message: 'after must be `next` of the page before' })
  after?: string;
}

export class ReasonDto {
  @ApiProperty({ example: 'case 4711: lost phone', maxLength: 200 })
  @Transform(({ value }) => (typeof value === 'string' ? value.trim() : value))
  @Matches(/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]{1,200}$/u, { message: 'reason must be a text of 1 to 200 characters' })
  reason!: string;
}
