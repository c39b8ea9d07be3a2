import { randomUUID } from 'node:crypto';
import { Injectable, UnauthorizedException } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { InjectRepository } from '@nestjs/typeorm';
import type { MfaLogin } from 'nestjs-mfa';
import { MoreThan, Not, type Repository } from 'typeorm';
import { Users } from './accounts.js';
import { RefreshToken } from './refresh-token.entity.js';

/** What an access token carries. `mfaAt` is ISO 8601 text, because a JWT holds no `Date`. */
export interface AccessClaims extends Pick<RefreshToken, 'sid' | 'amr' | 'mfaAt'> {
  sub: string;
}

const THIRTY_DAYS_MS = 30 * 24 * 60 * 60 * 1000;

@Injectable()
export class Tokens {
  constructor(
    @InjectRepository(RefreshToken) private readonly rows: Repository<RefreshToken>,
    private readonly jwt: JwtService,
    private readonly users: Users,
  ) {}

  async open({ userId, amr, mfaAt }: Pick<MfaLogin, 'userId' | 'amr' | 'mfaAt'>) {
    const row = { sid: randomUUID(), userId, amr, mfaAt: mfaAt?.toISOString() ?? null, uses: 0 };
    await this.rows.insert({ ...row, expiresAt: Date.now() + THIRTY_DAYS_MS });
    return this.pair(row);
  }

  /** A refresh token works once. Its second use shows that two parties have it, and ends the sign-in. */
  async refresh(refreshToken: string) {
    const { sid, uses } = await this.read(refreshToken);
    const unused = { sid, uses, expiresAt: MoreThan(Date.now()) };
    const { affected } = await this.rows.update(unused, { uses: uses + 1 }); // of two parallel uses, one wins
    const row = affected === 1 ? await this.find(sid) : null;
    if (row && (await this.users.active(row.userId))) return this.pair({ ...row, uses: uses + 1 });
    await this.rows.delete({ sid });
    throw new UnauthorizedException();
  }

  /** Stores new factors in the row of a sign-in. The old access and refresh tokens of this sign-in stop working. */
  async change(sid: string, { amr, mfaAt }: Pick<MfaLogin, 'amr' | 'mfaAt'>) {
    await this.rows.update({ sid }, { amr, mfaAt: mfaAt?.toISOString() ?? null, uses: () => 'uses + 1' });
    const row = await this.find(sid);
    if (!row) throw new UnauthorizedException();
    return this.pair(row);
  }

  find(sid: string): Promise<RefreshToken | null> {
    return this.rows.findOneBy({ sid });
  }

  async endOthers(userId: string, sid: string | undefined): Promise<void> {
    await this.rows.delete(sid ? { userId, sid: Not(sid) } : { userId });
  }

  private async read(refreshToken: string): Promise<Pick<RefreshToken, 'sid' | 'uses'>> {
    try {
      return await this.jwt.verifyAsync(refreshToken, { audience: 'refresh' });
    } catch {
      throw new UnauthorizedException();
    }
  }

  /** Both tokens copy the row. Nothing here sets `mfaAt` to the present. */
  private pair({ sid, userId, amr, mfaAt, uses }: Omit<RefreshToken, 'expiresAt'>) {
    const claims: AccessClaims = { sub: userId, sid, amr, mfaAt };
    return {
      accessToken: this.jwt.sign(claims, { audience: 'access', expiresIn: '5m' }),
      refreshToken: this.jwt.sign({ sid, uses }, { audience: 'refresh' }),
    };
  }
}
