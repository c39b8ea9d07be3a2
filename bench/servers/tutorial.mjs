/**
 * Two-factor authentication as the usual tutorials build it: a guard that checks a JWT and loads the user, `otplib`,
 * and `save()`. No replay prevention, no attempt budget, a secret in plain text.
 */
import 'reflect-metadata';
import { Body, Controller, HttpCode, Injectable, Post, Req, UnauthorizedException, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { getRepositoryToken, TypeOrmModule } from '@nestjs/typeorm';
import jwt from 'jsonwebtoken';
import { authenticator } from 'otplib';
import { EntitySchema } from 'typeorm';
import { decorate, decorateMethod } from './decorate.mjs';

const Users = new EntitySchema({
  name: 'TutorialUser',
  tableName: 'tutorial_user',
  columns: {
    id: { type: 'uuid', primary: true },
    email: { type: 'varchar' },
    passwordHash: { type: 'varchar', name: 'password_hash' },
    twoFactorSecret: { type: 'varchar', name: 'two_factor_secret' },
    twoFactorEnabled: { type: 'boolean', name: 'two_factor_enabled' },
    lastLoginAt: { type: 'timestamptz', name: 'last_login_at', nullable: true },
  },
});
const USERS = getRepositoryToken(Users);

let jwtSecret;

class JwtGuard {
  constructor(users) {
    this.users = users;
  }

  async canActivate(context) {
    const request = context.switchToHttp().getRequest();
    try {
      const { sub } = jwt.verify(request.headers.authorization.slice('Bearer '.length), jwtSecret);
      request.user = await this.users.findOneBy({ id: sub });
    } catch {
      throw new UnauthorizedException();
    }
    if (!request.user) throw new UnauthorizedException();
    return true;
  }
}

class TwoFactorController {
  constructor(users) {
    this.users = users;
  }

  async authenticate({ user }, { code }) {
    if (!user.twoFactorEnabled || !authenticator.verify({ token: code, secret: user.twoFactorSecret })) {
      throw new UnauthorizedException('Wrong authentication code');
    }
    user.lastLoginAt = new Date();
    await this.users.save(user);
    return { accessToken: jwt.sign({ sub: user.id, twoFactor: true }, jwtSecret, { expiresIn: '1d' }) };
  }
}

class TutorialModule {}

/** `@Inject(getRepositoryToken(User))` on the first parameter of the constructor. */
const injectUsers = (target) => Reflect.defineMetadata('self:paramtypes', [{ index: 0, param: USERS }], target);
decorate(JwtGuard, [Injectable(), injectUsers], [Object]);
decorate(TwoFactorController, [Controller('2fa'), injectUsers], [Object]);
decorateMethod(
  TwoFactorController,
  'authenticate',
  [Post('authenticate'), HttpCode(200), UseGuards(JwtGuard)],
  [Req(), Body()],
);

export async function start({ databaseUrl, poolSize, secret }) {
  jwtSecret = secret;
  authenticator.options = { window: 1 };
  const root = {
    module: TutorialModule,
    imports: [
      TypeOrmModule.forRoot({ type: 'postgres', url: databaseUrl, poolSize, entities: [Users], synchronize: true }),
      TypeOrmModule.forFeature([Users]),
    ],
    controllers: [TwoFactorController],
  };
  const app = await NestFactory.create(root, { logger: ['error'], abortOnError: false });
  await app.listen(0, '127.0.0.1');
  return {
    port: app.getHttpServer().address().port,
    commands: {
      issue: (userIds) => userIds.map((sub) => jwt.sign({ sub }, jwtSecret, { expiresIn: '1h' })),
    },
  };
}
