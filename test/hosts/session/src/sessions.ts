import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { Injectable } from '@nestjs/common';
import type { MfaLogin } from 'nestjs-mfa';
import { Users } from './accounts.js';

/** What a session holds. Stores keep JSON, so `mfaAt` is ISO 8601 text. */
export interface SignedIn {
  userId: string;
  /** Stays when the id in the cookie changes. */
  sid: string;
  /** The user's `generation` at the sign-in. */
  generation: number;
  amr: string[];
  mfaAt: string | null;
}

/** The part of a request that express-session and @fastify/session have in common. */
export interface SessionRequest {
  headers: object;
  session: Partial<SignedIn> & { regenerate(done: (error?: unknown) => void): void };
}

type Factors = Pick<MfaLogin, 'amr' | 'mfaAt'>;

@Injectable()
export class Sessions {
  constructor(private readonly users: Users) {}

  /** `null` = not signed in: there is no session, it was ended, or the user is blocked. Call it on every request. */
  find({ session }: SessionRequest): SignedIn | null {
    const user = session.userId === undefined ? null : this.users.active(session.userId);
    return user && user.generation === session.generation ? (session as SignedIn) : null;
  }

  async open(request: SessionRequest, { userId, ...factors }: Factors & { userId: string }): Promise<void> {
    const { generation } = this.users.active(userId)!;
    await this.write(request, { userId, sid: randomUUID(), generation }, factors);
  }

  /** After a step-up: the same session under a new id. */
  async raise(request: SessionRequest, factors: Factors): Promise<void> {
    const { userId, sid, generation } = request.session as SignedIn;
    await this.write(request, { userId, sid, generation }, factors);
  }

  /** Ends every session of the user but the one of `request`. */
  endOthers(userId: string, request: SessionRequest | null): void {
    const generation = this.users.endSessions(userId);
    if (request) Object.assign(request.session, { generation });
  }

  /** The new id prevents session fixation. */
  private async write(request: SessionRequest, owner: Omit<SignedIn, keyof Factors>, { amr, mfaAt }: Factors) {
    await promisify(request.session.regenerate.bind(request.session))();
    Object.assign(request.session, { ...owner, amr, mfaAt: mfaAt?.toISOString() ?? null });
  }
}
