import { readdirSync } from 'node:fs';
import * as library from 'nestjs-mfa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compilerMessages, writeExample, type Example } from './example.js';
import { read, root } from './markdown.js';

const SOURCES = 'libs/mfa/src';

/** What the examples use without declaring it. `any` is the code of an application, never that of the package. */
const SURROUNDINGS = `
import { Body, Controller, Get, Inject, Injectable, Post, UseFilters, type ExecutionContext } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Args, Mutation } from '@nestjs/graphql';
import { Test } from '@nestjs/testing';
import type { DataSource } from 'typeorm';
import * as mfa from 'nestjs-mfa';
import { ChallengeRoute, CurrentChallenge, CurrentPrincipal, MfaClock, MfaContext, MfaException } from 'nestjs-mfa';
import { MfaExceptionFilter, MfaGuard, MfaHost, RequireMfa, SkipMfa } from 'nestjs-mfa';
import { MfaFactor, type MfaFactorMatch, type MfaFactorProof, type MfaFactorUser } from 'nestjs-mfa';
import type { MfaChallenge, MfaLogin, MfaPrincipal } from 'nestjs-mfa';
import { importMfaUsers, listMfaChangesSinceImport, type MfaImportPlan } from 'nestjs-mfa/import';
import { FixedClock, VirtualPasskey } from 'nestjs-mfa/testing';

declare const [code, password]: [string, string];
declare const [user, agent]: [{ id: number }, { id: number }];
declare const [principal, challenge, challenges]: [MfaPrincipal, MfaChallenge, mfa.MfaChallengeService];
declare const [plan, keys, dataSource]: [MfaImportPlan, mfa.MfaOptions['keys'], DataSource];
declare const [sessions, oldSystem, setup, login, passkey]: any[];
declare class AppModule {}
declare class HotpTokens { find(...given: unknown[]): Promise<any>; list(...given: unknown[]): any; delete(...given: unknown[]): any; advance(...given: unknown[]): any }
declare class SessionService { of(request: unknown): any; create(...given: unknown[]): object }
class CodeBody { code!: string }
class VerifyArgs extends CodeBody { mfaToken!: string }
class Surroundings {
  declare backupCodes: mfa.MfaBackupCodeService;
  declare cleanup: mfa.MfaCleanupService;
  declare audit: mfa.MfaAuditService;
  declare devices: mfa.MfaDeviceService;
  declare enrollment: mfa.MfaEnrollmentService;
  declare keys: mfa.MfaKeyService;
  declare mfaAdmin: mfa.MfaAdminService;
  declare statuses: mfa.MfaStatusService;
  declare totp: mfa.TotpService;
  declare verification: mfa.MfaVerificationService;
  declare metrics: any;
  declare passkeys: mfa.MfaPasskeyService;
  declare payouts: any;
}
`;

/** Every `@example` of the docstrings in a file, as TypeScript. */
function examplesIn(path: string): string[] {
  const docstrings = read(`${SOURCES}/${path}`).match(/\/\*\*(?:(?!\*\/)[\s\S])*\*\//g) ?? [];
  const examples = docstrings.flatMap((each) => each.split('@example\n').slice(1));
  return examples.map((each) => each.replaceAll(/^\s*\*(?:\/| ```(?:ts)?)?/gm, '').replaceAll('\\@', '@'));
}

/** A class stays as it is. A member gets a class around it, and statements get a method too. */
function completed(example: string): string {
  const [first = ''] = example.match(/^ *(?!\/\/)\S.*$/m) ?? [];
  if (/^ (?:export )?class |^ @(?:Controller|Injectable|UseFilters)/.test(first)) return example;
  const isMember = /^ (?:@|(?!try|for)\w+\(.*\) \{)/.test(first);
  return `class Application extends Surroundings {\n${isMember ? example : `async run() {\n${example}\n}`}\n}`;
}

const sources = readdirSync(`${root}${SOURCES}`, { recursive: true, encoding: 'utf8' }).filter((path) =>
  /(?<!\.spec)\.ts$/.test(path),
);
const examples = sources.flatMap((path) =>
  examplesIn(path).map((code, at): [string, string] => [`src/${path}.${at}.ts`, SURROUNDINGS + completed(code)]),
);

describe('the examples in docstrings', () => {
  let project: Example;
  beforeAll(async () => {
    project = await writeExample(new Map(examples));
  });
  afterAll(() => project.remove());

  it('compile', () => {
    expect(compilerMessages(project, 'module', { noImplicitOverride: false })).toEqual([]);
  });

  it.each(Object.keys(library).filter((name) => /Service$|^(?!MFA|Mfa)|^MfaContext$/.test(name)))(
    'exist for %s',
    (name) => {
      const declared = new RegExp(`^export (?:abstract )?(?:class|const|function) ${name}\\b`, 'm');
      const [path = ''] = sources.filter((each) => declared.test(read(`${SOURCES}/${each}`)));
      expect(examplesIn(path).filter((code) => name.endsWith('Service') || code.includes(`@${name}(`))).not.toEqual([]);
    },
  );
});
