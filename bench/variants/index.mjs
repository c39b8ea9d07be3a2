/** What is compared, in the order of the tables. `open(context)` answers `{ server, tickets }`. */
import { floor, sameStatements } from './bare.mjs';
import { libraryOn } from './library.mjs';
import { tutorial } from './tutorial.mjs';

export const VARIANTS = [
  { name: 'floor', label: 'floor: bare HTTP, 1 SELECT + 1 UPDATE', open: floor },
  { name: 'same', label: 'bare HTTP, the statements of nestjs-mfa', open: sameStatements, usesLibrary: true },
  { name: 'fastify', label: 'nestjs-mfa on Fastify', open: libraryOn('fastify'), usesLibrary: true },
  { name: 'express', label: 'nestjs-mfa on Express', open: libraryOn('express'), usesLibrary: true },
  { name: 'tutorial', label: 'usual tutorial on Express', open: tutorial },
  {
    name: 'better-auth',
    label: 'better-auth',
    // Loaded late: where it cannot be installed, the others still run.
    open: async (context) => (await import('./better-auth.mjs')).betterAuth(context),
  },
];

/** What is asked of them; `expected` is the status of every answer. */
export const SCENARIOS = {
  totpRight: { label: 'TOTP, right code', expected: 200 },
  totpWrong: { label: 'TOTP, wrong code', expected: 401 },
  backupRight: { label: 'backup code, right', expected: 200 },
  backupWrong: { label: 'backup code, wrong', expected: 401 },
};
