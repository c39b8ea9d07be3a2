import { randomUUID } from 'node:crypto';
import { Injectable, Module, UnauthorizedException } from '@nestjs/common';

export interface User {
  id: string;
  email: string;
  password: string;
  blocked: boolean;
  /** Raised to end every session of the user. */
  generation: number;
}

/** The users of the application, in memory. */
@Injectable()
export class Users {
  private readonly users = new Map<string, User>();

  register(email: string, password: string): void {
    const user = { id: randomUUID(), email, password, blocked: false, generation: 0 };
    this.users.set(user.id, user);
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

@Module({ providers: [Users], exports: [Users] })
export class AccountsModule {}
