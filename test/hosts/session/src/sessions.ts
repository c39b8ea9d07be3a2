import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import type { INestApplication } from '@nestjs/common';
import type { Request } from 'express';
import session, { MemoryStore, type SessionData } from 'express-session';

declare module 'express-session' {
  interface SessionData {
    /** Stays when the id of the session in the cookie changes. */
    sid: string;
    userId: string;
    amr: string[];
    mfaAt: string | null;
  }
}

export type SignedIn = Required<Pick<SessionData, 'sid' | 'userId' | 'amr' | 'mfaAt'>>;

export const store = new MemoryStore();

export function useSessions(app: INestApplication): void {
  app.use(session({ secret: 'a secret of the application', store, resave: false, saveUninitialized: false }));
}

/** A new session id with this content, against session fixation. */
export async function openSession(request: Request, content: SignedIn): Promise<void> {
  await promisify(request.session.regenerate.bind(request.session))();
  Object.assign(request.session, content);
}

export function newSession(login: { userId: string; amr: string[]; mfaAt: Date | null }): SignedIn {
  return { sid: randomUUID(), userId: login.userId, amr: login.amr, mfaAt: login.mfaAt?.toISOString() ?? null };
}

/** All sessions of a user, by the id that the store knows them by. */
export async function sessionsOf(userId: string): Promise<[string, SessionData][]> {
  const all = (await promisify(store.all.bind(store))()) as Record<string, SessionData>;
  return Object.entries(all).filter(([, content]) => content.userId === userId);
}
