import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compilerMessages, STRICTEST, writeExample, type Example } from './example.js';
import { codeFiles, pages, read } from './markdown.js';

/** A host whose every optional value may be `undefined`, as rows and sessions have it. */
const UNDEFINED = `
import type { DynamicModule, ExecutionContext } from '@nestjs/common';
import { MfaHost, MfaModule } from 'nestjs-mfa';
import type { MfaAsyncOptions, MfaLogin, MfaModuleExtras, MfaOptions, MfaPrincipal, MfaStepUp } from 'nestjs-mfa';

interface Row {
  id: string;
  sessionId?: string | undefined;
  issuer?: string | undefined;
  mfaAt?: Date | undefined;
  since?: string | null;
  amr?: readonly string[] | undefined;
}

export class RowHost extends MfaHost {
  async principal(_context: ExecutionContext): Promise<MfaPrincipal | null> {
    const row: Row = await Promise.resolve({ id: '7' });
    const { sessionId, mfaAt, amr, issuer, since } = row;
    return { userId: row.id, accountName: 'seven', sessionId, mfaAt, amr, issuer, authenticatedAt: since };
  }
  completeLogin(_login: MfaLogin) {
    return {};
  }
  override completeStepUp({ amr, mfaAt, sessionId }: MfaStepUp): Row {
    return { id: '7', amr, mfaAt, sessionId };
  }
}

declare const number: number | undefined;
declare const flag: boolean | undefined;
declare const text: string | undefined;
declare const decorators: MethodDecorator[] | undefined;

export const options: MfaOptions = {
  issuer: 'Acme',
  keys: [{ id: 'k', secret: 'x' }],
  enrollment: {
    proof: flag ? 'password' : undefined,
    setupLifetimeSeconds: number,
    maxAuthenticators: number,
    disableWithPassword: flag,
  },
  totp: { algorithm: flag ? 'SHA1' : undefined, digits: number, periodSeconds: number, window: number },
  challenge: {
    lifetimeSeconds: number,
    extractToken: flag ? () => null : undefined,
    cookie: { name: text, path: text, secure: flag, sameSite: flag ? 'lax' : undefined, domain: text },
  },
  backupCodes: { count: number, lowAt: number },
  timeouts: { connectionSeconds: number, statementSeconds: number },
  attempts: { maxFailures: number, lockSeconds: number, maxLockSeconds: number, dailyBurst: number, dailyRefill: number },
  fernet: flag ? { keys: [{ key: 'x' }], until: '2027-01-01' } : undefined,
  cleanup: flag ? { intervalSeconds: number, batchSize: number, tables: undefined } : undefined,
};

export const none: MfaOptions = {
  issuer: 'Acme',
  keys: [],
  ...{ enrollment: null, totp: null, challenge: null, backupCodes: null, timeouts: null, attempts: null },
  ...{ fernet: null, cleanup: null },
};

const extras: MfaModuleExtras = {
  host: RowHost,
  imports: flag ? [] : undefined,
  isGlobal: flag,
  dataSource: text,
  http: { prefix: text, publicDecorators: decorators, decorators },
};
const inject: MfaAsyncOptions['inject'] = flag ? [] : undefined;

export const modules: DynamicModule[] = [
  MfaModule.forRoot({ ...options, ...extras }),
  MfaModule.forRootAsync({ ...extras, inject, useFactory: () => options }),
  MfaModule.forRootAsync({ ...extras, useClass: undefined, useFactory: async () => none }),
];
`;

describe('types under exactOptionalPropertyTypes, without skipLibCheck', () => {
  let example: Example;
  beforeAll(async () => {
    const files = new Map(pages.flatMap((page) => [...codeFiles(read(page))]));
    example = await writeExample(files.set('src/undefined.ts', UNDEFINED));
  });
  afterAll(() => example.remove());

  it.each(['module', 'commonjs'] as const)(
    'let the README and undefined values compile in a package of type %s',
    (type) => {
      expect(compilerMessages(example, type, STRICTEST)).toEqual([]);
    },
  );

  it('would be refused where an optional property took no undefined', async () => {
    const strict = `interface Strict { at?: Date }\nexport const strict: Strict = { at: undefined };\n`;
    const broken = await writeExample(new Map([['src/x.ts', strict]]));
    const messages = compilerMessages(broken, 'module', STRICTEST);
    await broken.remove();
    expect(messages).toEqual([expect.stringContaining('exactOptionalPropertyTypes')]);
  });
});
