import { randomUUID } from 'node:crypto';
import { ConflictException, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { MfaClock } from 'nestjs-mfa';
import { In, Repository } from 'typeorm';
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

  findById(id: string): Promise<User | null> {
    return this.users.findOneBy({ id });
  }

  /** The users with these ids, in the order of the ids. Those who do not exist are left out. */
  async findByIds(ids: string[]): Promise<User[]> {
    const found = new Map((await this.users.findBy({ id: In(ids) })).map((user) => [user.id, user]));
    return ids.flatMap((id) => found.get(id) ?? []);
  }

  /** Users whose e-mail address contains `text` and comes after `after`, by address. */
  search(text: string, { after, limit }: { after: string; limit: number }): Promise<User[]> {
    // The text itself is searched for, so its wildcards are escaped. Databases differ in their own escape character.
    const pattern = `%${text.replace(/[!%_]/g, '!$&')}%`;
    return this.users
      .createQueryBuilder('user')
      .where(`user.email LIKE :pattern ESCAPE '!'`, { pattern })
      .andWhere('user.email > :after', { after })
      .orderBy('user.email')
      .take(limit)
      .getMany();
  }

  async setRole(id: string, role: Role): Promise<void> {
    await this.users.update({ id }, { role });
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
