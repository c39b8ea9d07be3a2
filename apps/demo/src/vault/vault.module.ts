import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountsModule } from '../accounts/accounts.module.js';
import { Transfer } from './transfer.entity.js';
import { VaultController } from './vault.controller.js';
import { VaultService } from './vault.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([Transfer]), AccountsModule],
  controllers: [VaultController],
  providers: [VaultService],
})
export class VaultModule {}
