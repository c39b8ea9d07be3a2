import { Body, Controller, Get, Header, HttpCode, Post, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiCookieAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequireMfa } from 'nestjs-mfa';
import { JsonOnlyGuard } from '../accounts/json-only.guard.js';
import { CurrentSession, SessionGuard } from '../accounts/session.guard.js';
import { UserSession } from '../accounts/user-session.entity.js';
import { TransferDto } from './transfer.dto.js';
import { VaultService } from './vault.service.js';

@ApiTags('vault')
@ApiBearerAuth()
@ApiCookieAuth()
@Controller('vault')
@UseGuards(JsonOnlyGuard)
export class VaultController {
  constructor(private readonly vault: VaultService) {}

  @ApiOperation({ summary: 'For sessions that passed a second factor, however long ago' })
  @Get()
  @Header('Cache-Control', 'no-store')
  @UseGuards(SessionGuard)
  @RequireMfa()
  async show(@CurrentSession() { userId, user }: UserSession) {
    return { owner: user.email, transfers: await this.vault.recent(userId) };
  }

  @ApiOperation({ summary: 'For sessions that passed a second factor in the last five minutes' })
  @Post('transfer')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  @RequireMfa({ maxAgeSeconds: 300 })
  transfer(@CurrentSession() { userId }: UserSession, @Body() body: TransferDto) {
    return this.vault.transfer(userId, body);
  }
}
