import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.js';
import { AdminController } from './admin.controller.js';
import { AdminUsersService } from './admin-users.service.js';
import { AdminGuard } from './admin.guard.js';
import { AuditController } from './audit.controller.js';

@Module({
  imports: [AccountsModule],
  controllers: [AdminController, AuditController],
  providers: [AdminUsersService, AdminGuard],
})
export class AdminModule {}
