import { Module } from '@nestjs/common';
import { AccountsModule } from './accounts.js';
import { Sessions } from './sessions.js';

/** What the resolvers and the MFA host have in common. */
@Module({ imports: [AccountsModule], providers: [Sessions], exports: [AccountsModule, Sessions] })
export class AuthModule {}
