import { randomUUID } from 'node:crypto';
import { ConflictException, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { MfaClock } from 'nestjs-mfa';
import { Repository } from 'typeorm';
import { hashPassword, passwordMatches } from './passwords.js';
import type { Role } from './role.js';
import { User } from './user.entity.js';

@Injectable()
export class UsersService {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    private readonly clock: MfaClock,
  ) {}

  /** @throws ConflictException when the e-mail address is taken */
  async create({ email, password, role }: { email: string; password: string; role: Role }): Promise<User> {
    const passwordHash = await hashPassword(password);
    const user = this.users.create({ id: randomUUID(), email, passwordHash, role, createdAtMs: this.clock.nowMs() });
    try {
      await this.users.insert(user);
    } catch (error) {
      // The unique index decides between parallel registrations. Drivers name the violation differently.
      if (await this.users.existsBy({ email }))
        throw new ConflictException('This e-mail address has an account already');
      throw error;
    }
    return user;
  }

  /** The user with this e-mail address and password, or `null`; both ways take the same time. */
  async findByPassword(email: string, password: string): Promise<User | null> {
    const user = await this.findByEmail(email);
    return (await passwordMatches(user?.passwordHash, password)) ? user : null;
  }

  async findByEmail(email: string): Promise<User | null> {
    const found = await this.users.findOneBy({ email });
    // `===`, because a database may compare loosely: MariaDB finds "alice" for "ALICE".
    return found?.email === email ? found : null;
  }

  /** `null` = there is no such user. */
  async roleOf(userId: string): Promise<Role | null> {
    return (await this.users.findOneBy({ id: userId }))?.role ?? null;
  }

  exists(userId: string): Promise<boolean> {
    return this.users.existsBy({ id: userId });
  }

  async hasPassword(userId: string, password: string): Promise<boolean> {
    const user = await this.users.findOneBy({ id: userId });
    return passwordMatches(user?.passwordHash, password);
  }
}
