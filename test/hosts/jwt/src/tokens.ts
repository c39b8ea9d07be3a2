import { randomBytes, randomUUID } from 'node:crypto';
import { Injectable, UnauthorizedException } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { Users } from './accounts.js';

/** A row of the table of refresh tokens. It keeps what the access tokens of this sign-in say about factors. */
export interface RefreshRow {
  sid: string;
  userId: string;
  secret: string;
  amr: string[];
  mfaAt: Date | null;
}

export interface AccessClaims {
  sub: string;
  sid: string;
  amr: string[];
  mfaAt: string | null;
}

export interface TokenPair {
  accessToken: string;
  refreshToken: string;
}

@Injectable()
export class Tokens {
  readonly rows = new Map<string, RefreshRow>();

  constructor(
    private readonly jwt: JwtService,
    private readonly users: Users,
  ) {}

  open({ userId, amr, mfaAt }: Pick<RefreshRow, 'userId' | 'amr' | 'mfaAt'>): TokenPair {
    const row = { sid: randomUUID(), userId, amr, mfaAt, secret: randomBytes(32).toString('hex') };
    this.rows.set(row.sid, row);
    return this.pair(row);
  }

  refresh(refreshToken: string): TokenPair {
    const [sid = '', secret] = refreshToken.split('.');
    const row = this.rows.get(sid);
    if (!row || row.secret !== secret || !this.users.active(row.userId)) throw new UnauthorizedException();
    row.secret = randomBytes(32).toString('hex');
    return this.pair(row);
  }

  /** Another access token of the same sign-in, after its row changed. */
  access(row: RefreshRow): { accessToken: string } {
    const claims: AccessClaims = {
      sub: row.userId,
      sid: row.sid,
      amr: row.amr,
      mfaAt: row.mfaAt?.toISOString() ?? null,
    };
    return { accessToken: this.jwt.sign(claims) };
  }

  private pair(row: RefreshRow): TokenPair {
    return { ...this.access(row), refreshToken: `${row.sid}.${row.secret}` };
  }
}
