import { BadRequestException, Injectable, NotFoundException } from '@nestjs/common';
import { MfaAdminService, MfaClock, MfaDeviceService, MfaStatusService, type MfaListCriterion } from 'nestjs-mfa';
import type { User } from '../accounts/user.entity.js';
import { UsersService } from '../accounts/users.service.js';
import type { FindUsersDto, ListName } from './admin.dto.js';

const PAGE = 20;

const CRITERIA: Record<ListName, MfaListCriterion> = {
  locked: { locked: true },
  disabled: { disabled: true },
  'few-codes': { fewCodes: 3 },
  'must-enroll': { mustEnroll: true },
};

interface UserPage {
  users: User[];
  /** For `after` of the next page. `null` = this is the last page. */
  next: string | null;
}

/** Finds users of the demo, and shows what the library knows about them. */
@Injectable()
export class AdminUsersService {
  constructor(
    private readonly users: UsersService,
    private readonly mfa: MfaAdminService,
    private readonly statuses: MfaStatusService,
    private readonly devices: MfaDeviceService,
    private readonly clock: MfaClock,
  ) {}

  /** @throws BadRequestException for an unusable `after` */
  async find({ search = '', list, after }: FindUsersDto) {
    const { users, next } = await (list ? this.listed(CRITERIA[list], after) : this.matching(search, after));
    const statuses = await this.statuses.statusOf(users.map(({ id }) => id));
    const rows = users.map(({ id, email, role }) => {
      const { enabled, methods, backupCodes } = statuses.get(id)!;
      return { id, email, role, enabled, methods, backupCodesRemaining: backupCodes.remaining };
    });
    return { users: rows, next };
  }

  /** @throws NotFoundException */
  async show(id: string) {
    const { email, role } = await this.get(id);
    const { enabled, methods, authenticators, backupCodes } = (await this.statuses.statusOf([id])).get(id)!;
    const { attempts, mustEnrollSince, recoveryCode } = await this.mfa.exportUser(id);
    const now = new Date(this.clock.nowMs());
    return {
      ...{ id, email, role, enabled, methods, authenticators, backupCodes, mustEnrollSince },
      locks: attempts.filter(({ lockedUntil }) => lockedUntil !== null && lockedUntil > now),
      recoveryCode: recoveryCode && recoveryCode.expiresAt > now ? recoveryCode : null,
      devices: await this.devices.list(id),
    };
  }

  /** @throws NotFoundException */
  async get(id: string): Promise<User> {
    const user = await this.users.findById(id);
    if (!user) throw new NotFoundException('There is no such user');
    return user;
  }

  private async matching(search: string, after = ''): Promise<UserPage> {
    const found = await this.users.search(search, { after, limit: PAGE + 1 });
    const users = found.slice(0, PAGE);
    return { users, next: found.length > PAGE ? users.at(-1)!.email : null };
  }

  private async listed(criterion: MfaListCriterion, after?: string): Promise<UserPage> {
    const { users, next } = await this.mfa.list({ ...criterion, after, limit: PAGE }).catch((error: unknown) => {
      if (error instanceof TypeError) throw new BadRequestException('after must be `next` of the page before');
      throw error;
    });
    return { users: await this.users.findByIds(users.map(({ userId }) => userId)), next };
  }
}
