import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import {
  Body,
  Controller,
  Header,
  HttpCode,
  Injectable,
  Module,
  Param,
  Post,
  UnauthorizedException,
  UseFilters,
  type ExecutionContext,
} from '@nestjs/common';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import {
  CurrentPrincipal,
  MfaContext,
  MfaEnrollmentService,
  MfaExceptionFilter,
  MfaFactor,
  SkipMfa,
  type MfaFactorMatch,
  type MfaFactorProof,
  type MfaFactorUser,
  type MfaPrincipal,
  type MfaReauthenticationProof,
} from 'nestjs-mfa';
import {
  Column,
  Entity,
  In,
  LessThan,
  PrimaryColumn,
  Repository,
  Table,
  type MigrationInterface,
  type QueryRunner,
} from 'typeorm';

// #region token
@Entity('acme_hotp_token')
export class HotpToken {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  @Column({ name: 'user_id', type: 'varchar', length: 255 })
  userId!: string;

  @Column({ type: 'varchar', length: 64 })
  name!: string;

  /** Base64. Encrypt it as you encrypt other secrets. */
  @Column({ type: 'varchar', length: 64 })
  secret!: string;

  /** The first counter whose code is right (RFC 4226 §7.2). */
  @Column({ type: 'integer' })
  counter!: number;

  @Column({ name: 'created_at', type: 'varchar', length: 24 })
  createdAt!: string;

  @Column({ name: 'last_used_at', type: 'varchar', length: 24, nullable: true })
  lastUsedAt!: string | null;
}

/** A code may be this many button presses ahead (RFC 4226 §7.4). */
const LOOK_AHEAD = 10;

@Injectable()
export class HotpTokens {
  constructor(@InjectRepository(HotpToken) private readonly tokens: Repository<HotpToken>) {}

  find(userId: string, ids: readonly string[]): Promise<HotpToken[]> {
    return this.tokens.findBy({ userId, id: In([...ids]) });
  }

  async create(userId: string, name: string): Promise<HotpToken> {
    const secret = randomBytes(20).toString('base64');
    const createdAt = new Date().toISOString();
    const token = { id: randomUUID(), userId, name, secret, counter: 0, createdAt, lastUsedAt: null };
    await this.tokens.insert(token);
    return token;
  }

  /** The counter of a right code. `null` = the code is wrong. */
  counterOf({ secret, counter }: HotpToken, code: string): number | null {
    for (let next = counter; next < counter + LOOK_AHEAD; next++) {
      if (hotp(secret, next) === code) return next;
    }
    return null;
  }

  /** One conditional write, so that a slower request never takes the counter back. */
  advance(userId: string, id: string, counter: number, at?: Date) {
    const lastUsedAt = at ? { lastUsedAt: at.toISOString() } : {};
    return this.tokens.update({ userId, id, counter: LessThan(counter) }, { counter, ...lastUsedAt });
  }

  rename(userId: string, id: string, name: string) {
    return this.tokens.update({ userId, id }, { name });
  }

  delete(userId: string, ids: readonly string[] | null) {
    return this.tokens.delete(ids === null ? { userId } : { userId, id: In([...ids]) });
  }
}

/** RFC 4226 §5.3 */
export function hotp(secret: string, counter: number): string {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(counter));
  const mac = createHmac('sha1', Buffer.from(secret, 'base64')).update(message).digest();
  const truncated = mac.readUInt32BE(mac.readUInt8(19) & 15) & 0x7fffffff;
  return String(truncated % 1_000_000).padStart(6, '0');
}
// #endregion

// #region factor
@Injectable()
export class HotpFactor extends MfaFactor {
  readonly method = 'hotp';
  readonly budget = 'other'; // wrong codes are counted, and five in a row lock the method

  constructor(private readonly tokens: HotpTokens) {
    super();
  }

  async match({ code }: MfaFactorProof, { userId, ids }: MfaFactorUser): Promise<MfaFactorMatch | null> {
    for (const token of await this.tokens.find(userId, ids)) {
      const counter = this.tokens.counterOf(token, code);
      if (counter === null) continue;
      return { id: token.id, amr: ['otp'], spend: { item: String(counter), expiresAt: null } };
    }
    return null;
  }

  /** The code is spent already. Codes of lower counters, which the user skipped, end here. */
  override used(userId: string, { id, spend }: MfaFactorMatch, at: Date) {
    return this.tokens.advance(userId, id, Number(spend.item) + 1, at);
  }

  async describe(userId: string, ids: readonly string[]) {
    const tokens = await this.tokens.find(userId, ids);
    return tokens.map(({ id, name, createdAt, lastUsedAt }) => ({
      ...{ id, name, createdAt: new Date(createdAt) },
      lastUsedAt: lastUsedAt === null ? null : new Date(lastUsedAt),
    }));
  }

  override rename(userId: string, id: string, name: string) {
    return this.tokens.rename(userId, id, name);
  }

  forget(userId: string, ids: readonly string[] | null) {
    return this.tokens.delete(userId, ids);
  }
}
// #endregion

// #region routes
@Controller('hotp-tokens')
@UseFilters(MfaExceptionFilter)
@SkipMfa() // for signed-in users without a second factor too
export class HotpController {
  constructor(
    private readonly tokens: HotpTokens,
    private readonly enrollment: MfaEnrollmentService,
  ) {}

  /** The row has no effect before `activate` names it. */
  @Post()
  @Header('Cache-Control', 'no-store') // the response holds the secret
  async create(@CurrentPrincipal() { userId }: MfaPrincipal, @Body() { name }: { name: string }) {
    const { id, secret } = await this.tokens.create(String(userId), String(name));
    return { id, secret };
  }

  /** The first code proves that the token works; `proof` proves that the caller is the owner of the account. */
  @Post(':id/activate')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store') // the response may hold backup codes
  async activate(
    @CurrentPrincipal() principal: MfaPrincipal,
    @Param('id') id: string,
    @Body() { firstCode, ...proof }: { firstCode: string } & MfaReauthenticationProof,
    @MfaContext() context: ExecutionContext,
  ) {
    const userId = String(principal.userId);
    const [token] = await this.tokens.find(userId, [id]);
    const counter = token ? this.tokens.counterOf(token, String(firstCode)) : null;
    if (!token || counter === null) throw new UnauthorizedException();
    const { stepUp: _, ...confirmation } = await this.enrollment.activate(
      principal,
      { type: 'hotp', id, name: token.name },
      proof,
      context,
    );
    await this.tokens.advance(userId, id, counter + 1);
    return confirmation;
  }
}

@Module({
  imports: [TypeOrmModule.forFeature([HotpToken])],
  providers: [HotpTokens],
  controllers: [HotpController],
  exports: [HotpTokens],
})
export class HotpModule {}
// #endregion

export class CreateHotpTokens1796000000000 implements MigrationInterface {
  name = 'CreateHotpTokens1796000000000';

  async up(runner: QueryRunner): Promise<void> {
    const text = (name: string, length: string) => ({ name, type: 'varchar', length });
    const columns = [
      { ...text('id', '36'), isPrimary: true },
      text('user_id', '255'),
      text('name', '64'),
      text('secret', '64'),
      { name: 'counter', type: 'integer' },
      text('created_at', '24'),
      { ...text('last_used_at', '24'), isNullable: true },
    ];
    await runner.createTable(new Table({ name: 'acme_hotp_token', columns }));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable('acme_hotp_token');
  }
}
