import { randomUUID } from 'node:crypto';
import { Injectable, UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import { GqlExecutionContext } from '@nestjs/graphql';
import type { MfaPrincipal, MfaStepUp } from 'nestjs-mfa';
import { Users } from './accounts.js';

export interface Session {
  id: string;
  userId: string;
  amr: string[];
  mfaAt: Date | null;
}

/** Sessions behind an opaque Bearer token, in memory. */
@Injectable()
export class Sessions {
  readonly byToken = new Map<string, Session>();

  constructor(private readonly users: Users) {}

  open({ userId, amr, mfaAt }: Omit<Session, 'id'>): string {
    const token = randomUUID();
    this.byToken.set(token, { id: randomUUID(), userId, amr, mfaAt });
    return token;
  }

  /** Another token of the same session. */
  renew(session: Session): string {
    const [old] = [...this.byToken].find(([, each]) => each === session)!;
    const token = randomUUID();
    this.byToken.delete(old);
    this.byToken.set(token, session);
    return token;
  }

  of(context: ExecutionContext): Session | null {
    const { req } = GqlExecutionContext.create(context).getContext<{ req: { headers: { authorization?: string } } }>();
    return this.byToken.get(req.headers.authorization?.replace('Bearer ', '') ?? '') ?? null;
  }

  /** The signed-in user of a request, as nestjs-mfa sees them. */
  principal(context: ExecutionContext): MfaPrincipal | null {
    const session = this.of(context);
    const user = session && this.users.active(session.userId);
    if (!user) return null;
    return { userId: user.id, accountName: user.email, sessionId: session.id, amr: session.amr, mfaAt: session.mfaAt };
  }

  /** After a step-up. Where a change of factors ended the session meanwhile, there is none. */
  raise({ amr, mfaAt }: MfaStepUp, context: ExecutionContext): void {
    const session = this.of(context);
    if (!session) throw new UnauthorizedException();
    Object.assign(session, { amr, mfaAt });
  }

  endAllBut(userId: string, id: string | undefined): Session | undefined {
    for (const [token, session] of this.byToken) {
      if (session.userId === userId && session.id !== id) this.byToken.delete(token);
    }
    return [...this.byToken.values()].find((session) => session.id === id);
  }
}
