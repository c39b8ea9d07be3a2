import { Module } from '@nestjs/common';
import { AccountsModule } from './accounts.js';
import { AuthController } from './auth.controller.js';
import { PayoutsController } from './payouts.controller.js';
import { RedirectLoginController } from './redirect-login.controller.js';
import { Sessions } from './sessions.js';

@Module({
  imports: [AccountsModule],
  providers: [Sessions],
  controllers: [AuthController, RedirectLoginController, PayoutsController],
  exports: [AccountsModule, Sessions], // what AcmeMfaHost injects
})
export class AuthModule {}
