/** How each variant is opened: `open(context)` answers `{ server, tickets }`. */
import { floor, sameStatements } from './bare.mjs';
import { libraryOn } from './library.mjs';
import { LABELS } from './names.mjs';
import { tutorial } from './tutorial.mjs';

const OPEN = {
  floor,
  same: sameStatements,
  fastify: libraryOn('fastify'),
  express: libraryOn('express'),
  tutorial,
  // Loaded late: where it cannot be installed, the others still run.
  'better-auth': async (context) => (await import('./better-auth.mjs')).betterAuth(context),
};

/** Variants that need a database of the library's. */
const OF_LIBRARY = ['same', 'fastify', 'express'];

export const VARIANTS = Object.entries(LABELS).map(([name, label]) => ({
  name,
  label,
  open: OPEN[name],
  usesLibrary: OF_LIBRARY.includes(name),
}));
