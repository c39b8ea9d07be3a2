import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { PassportModule } from '@nestjs/passport';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountsModule } from './accounts.js';
import { AuthController } from './auth.controller.js';
import { JWT_SECRET, JwtStrategy, PlainJwtGuard } from './jwt-auth.guard.js';
import { PayoutsController } from './payouts.controller.js';
import { RefreshToken } from './refresh-token.entity.js';
import { Tokens } from './tokens.js';

@Module({
  imports: [
    AccountsModule,
    PassportModule,
    TypeOrmModule.forFeature([RefreshToken]),
    JwtModule.register({ secret: JWT_SECRET, signOptions: { algorithm: 'HS256' } }),
  ],
  providers: [Tokens, JwtStrategy, PlainJwtGuard],
  controllers: [AuthController, PayoutsController],
  exports: [AccountsModule, Tokens, PlainJwtGuard], // what AcmeMfaHost injects
})
export class AuthModule {}
