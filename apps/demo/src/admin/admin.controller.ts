import {
  BadRequestException,
  Body,
  type ExecutionContext,
  Get,
  Header,
  HttpCode,
  Param,
  ParseUUIDPipe,
  Post,
  Query,
} from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { MfaAdminService, MfaContext } from 'nestjs-mfa';
import { CurrentSession } from '../accounts/session.guard.js';
import { UserSession } from '../accounts/user-session.entity.js';
import { AdminRoutes } from './admin-routes.js';
import { AdminUsersService } from './admin-users.service.js';
import { FindUsersDto, ReasonDto } from './admin.dto.js';

/** The id of a user of the demo. Any other text is the id of nobody. */
const UserId = () => Param('id', new ParseUUIDPipe({ errorHttpStatusCode: 404 }));

/** What administrators see and do. The actor is the user of the session. */
@AdminRoutes('admin/users')
export class AdminController {
  constructor(
    private readonly users: AdminUsersService,
    private readonly mfa: MfaAdminService,
  ) {}

  @ApiOperation({ summary: 'Search users by e-mail address, or list those who need attention' })
  @Get()
  @Header('Cache-Control', 'no-store')
  find(@Query() query: FindUsersDto) {
    return this.users.find(query);
  }

  @ApiOperation({ summary: 'The factors, locks and trusted browsers of a user' })
  @Get(':id')
  @Header('Cache-Control', 'no-store')
  show(@UserId() id: string) {
    return this.users.show(id);
  }

  @ApiOperation({ summary: 'End every lock of a user' })
  @Post(':id/unlock')
  @HttpCode(200)
  async unlock(
    @UserId() id: string,
    @CurrentSession() { userId }: UserSession,
    @Body() { reason }: ReasonDto,
    @MfaContext() context: ExecutionContext,
  ) {
    await this.users.get(id);
    await this.mfa.unlock(id, { actor: { userId }, reason }, context);
    return this.users.show(id);
  }

  @ApiOperation({ summary: 'Remove every factor of a user, who then enrolls with a recovery code' })
  @Post(':id/reset')
  @HttpCode(200)
  async reset(
    @UserId() id: string,
    @CurrentSession() { userId }: UserSession,
    @Body() { reason }: ReasonDto,
    @MfaContext() context: ExecutionContext,
  ) {
    await this.users.get(id);
    if (id === userId) throw new BadRequestException('Ask another administrator to reset your own account');
    await this.mfa.reset(id, { actor: { userId }, reason }, context);
    return this.users.show(id);
  }

  @ApiOperation({ summary: 'Issue a recovery code, which is shown once' })
  @ApiOkResponse({ description: '`{ code, expiresAt }`' })
  @Post(':id/recovery-code')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async recoveryCode(
    @UserId() id: string,
    @CurrentSession() { userId }: UserSession,
    @Body() { reason }: ReasonDto,
    @MfaContext() context: ExecutionContext,
  ) {
    await this.users.get(id);
    return this.mfa.issueRecoveryCode(id, { actor: { userId }, reason }, context);
  }

  @ApiOperation({ summary: 'End the trust in every browser of a user' })
  @Post(':id/revoke-devices')
  @HttpCode(200)
  async revokeDevices(
    @UserId() id: string,
    @CurrentSession() { userId }: UserSession,
    @Body() { reason }: ReasonDto,
    @MfaContext() context: ExecutionContext,
  ) {
    await this.users.get(id);
    await this.mfa.revokeDevices(id, { actor: { userId }, reason }, context);
    return this.users.show(id);
  }
}
