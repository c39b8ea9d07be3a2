import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsNumber, Matches, Max, Min } from 'class-validator';

const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N} .,'’@_+-]{0,39}$/u;

export class TransferDto {
  @ApiProperty({ example: 'Grace Hopper', maxLength: 40 })
  @Transform(({ value }) => (typeof value === 'string' ? value.trim() : value))
  @Matches(NAME, { message: 'to must be a name of at most 40 letters, digits and spaces' })
  to!: string;

  @ApiProperty({ example: 25, minimum: 0.01, maximum: 10_000 })
  @Max(10_000, { message: 'amount must be at most 10000' })
  @Min(0.01, { message: 'amount must be at least 0.01' })
  @IsNumber({ maxDecimalPlaces: 2 }, { message: 'amount must be a number with at most two decimals' })
  amount!: number;
}
