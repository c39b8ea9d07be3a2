import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { MfaClock } from 'nestjs-mfa';
import { Repository } from 'typeorm';
import type { TransferDto } from './transfer.dto.js';
import { Transfer } from './transfer.entity.js';

/** Play money: something to protect. */
@Injectable()
export class VaultService {
  constructor(
    @InjectRepository(Transfer) private readonly transfers: Repository<Transfer>,
    private readonly clock: MfaClock,
  ) {}

  /** The user's last ten transfers, newest first. */
  async recent(userId: string) {
    const rows = await this.transfers.find({ where: { userId }, order: { createdAtMs: 'DESC', id: 'ASC' }, take: 10 });
    return rows.map(answer);
  }

  async transfer(userId: string, { to, amount }: TransferDto) {
    const row = this.transfers.create({
      id: randomUUID(),
      userId,
      recipient: to,
      amountCents: Math.round(amount * 100),
      createdAtMs: this.clock.nowMs(),
    });
    await this.transfers.insert(row);
    return answer(row);
  }
}

function answer({ id, recipient, amountCents, createdAtMs }: Transfer) {
  return { id, to: recipient, amount: amountCents / 100, at: new Date(createdAtMs).toISOString() };
}
