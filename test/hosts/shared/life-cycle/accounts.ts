import { randomUUID } from 'node:crypto';
import { Injectable, Module, UnauthorizedException } from '@nestjs/common';

export interface User {
  id: string;
  email: string;
  password: string;
  /** ISO 8601. */
  passwordChangedAt: string;
  blocked: boolean;
  /** Raised to end every session of the user. */
  generation: number;
}

/** The users of the application, in memory. */
@Injectable()
export class Users {
  private readonly users = new Map<string, User>();

  register(email: string, password: string): void {
    const passwordChangedAt = new Date().toISOString();
    const user = { id: randomUUID(), email, password, passwordChangedAt, blocked: false, generation: 0 };
    this.users.set(user.id, user);
  }

  changePassword(id: string, password: string): void {
    Object.assign(this.users.get(id)!, { password, passwordChangedAt: new Date().toISOString() });
  }

  /** The first factor. */
  signIn(email: string, password: string): User {
    const user = [...this.users.values()].find((each) => each.email === email && each.password === password);
    if (!user || user.blocked) throw new UnauthorizedException();
    return user;
  }

  /** `null` = missing or blocked. */
  active(id: string): User | null {
    const user = this.users.get(id);
    return user && !user.blocked ? user : null;
  }

  /** @returns the generation of the sessions that begin from now on */
  endSessions(id: string): number {
    const user = this.users.get(id)!;
    user.generation += 1;
    return user.generation;
  }

  byEmail(email: string): User {
    return [...this.users.values()].find((user) => user.email === email)!;
  }
}

/** What an identity provider and the links in e-mails prove, in memory. Each value works once. */
@Injectable()
export class FirstFactors {
  private readonly proved = new Map<string, string>();

  constructor(private readonly users: Users) {}

  /** The value that the browser of this user brings back. */
  issue(email: string): string {
    const value = randomUUID();
    this.proved.set(value, email);
    return value;
  }

  spend(value: string): User {
    const email = this.proved.get(value);
    const user = this.proved.delete(value) ? this.users.byEmail(email!) : undefined;
    if (!user || user.blocked) throw new UnauthorizedException();
    return user;
  }
}

@Module({ providers: [Users, FirstFactors], exports: [Users, FirstFactors] })
export class AccountsModule {}
