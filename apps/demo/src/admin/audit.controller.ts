import { Get, Header, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { MfaAuditService, type MfaAuditEntry } from 'nestjs-mfa';
import { UsersService } from '../accounts/users.service.js';
import { AdminRoutes } from './admin-routes.js';
import { AuditDto } from './admin.dto.js';

const PAGE = 20;

/** The audit table of the library, with the e-mail addresses of the demo. */
@AdminRoutes('admin/audit')
export class AuditController {
  constructor(
    private readonly audit: MfaAuditService,
    private readonly users: UsersService,
  ) {}

  @ApiOperation({ summary: 'The events of one user or of all, the newest first' })
  @Get()
  @Header('Cache-Control', 'no-store')
  async list(@Query() { user, after }: AuditDto) {
    const found = await this.audit.list({ userId: user, after, limit: PAGE + 1 });
    const entries = found.slice(0, PAGE);
    const emails = await this.emailsOf(entries);
    return {
      entries: entries.map((entry) => row(entry, emails)),
      next: found.length > PAGE ? entries.at(-1)!.id : null,
    };
  }

  private async emailsOf(entries: MfaAuditEntry[]): Promise<Map<string, string>> {
    const ids = entries.flatMap(({ event: { userId, actor } }) => [userId, actor.id ?? userId]);
    return new Map((await this.users.findByIds([...new Set(ids)])).map(({ id, email }) => [id, email]));
  }
}

function row({ id, state, event }: MfaAuditEntry, emails: Map<string, string>) {
  const { type, at, userId, actor, reason, ip, userAgent } = event;
  const { factor, failure } = event as { factor?: string; failure?: string };
  const nameOf = (each: string) => emails.get(each) ?? each;
  const by = actor.type === 'system' ? (actor.id ?? 'system') : nameOf(actor.id ?? userId);
  return { id, at, type, state, user: nameOf(userId), actor: by, reason, factor, failure, ip, userAgent };
}
