import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { SessionCookie } from './session-cookie.js';
import { SessionGuard } from './session.guard.js';
import { SessionsService } from './sessions.service.js';
import { User } from './user.entity.js';
import { UserSession } from './user-session.entity.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([User, UserSession])],
  controllers: [AuthController],
  providers: [AuthService, UsersService, SessionsService, SessionCookie, SessionGuard],
  exports: [AuthService, UsersService, SessionsService, SessionCookie, SessionGuard],
})
export class AccountsModule {}
