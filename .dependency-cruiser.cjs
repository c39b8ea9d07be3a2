/**
 * The arrows of the house: which room may import which. Every rule is proved by a planted breach in
 * `test/architecture/arrows.spec.ts`.
 */
const ROOMS = '^libs/mfa/src';
const WIRING = `${ROOMS}/mfa\\.module\\.ts$`;
const ENTRY = `${ROOMS}/(index|import|migrations|openapi|testing|cli)\\.ts$`;
const CLI = `${ROOMS}/cli/`;
const SPEC = '\\.(spec|contract)\\.ts$';
const FLOW = '(enrollment|challenge|verification|guard|factors)';

/** A package and everything in it, wherever it is installed, and also when it is not installed. */
const packages = (...names) => `(^|/)node_modules/(${names.join('|')})(/|$)|^(${names.join('|')})(/|$)`;

/** `what` (a pattern of packages) may be imported from within `rooms` only. */
const only = (name, comment, what, rooms) => ({
  name,
  comment,
  severity: 'error',
  from: { path: ROOMS, pathNot: [SPEC, ...rooms] },
  to: { path: what },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Modules that import each other cannot be understood, or loaded, one at a time.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere would escape every other rule.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'domain-is-pure',
      comment: 'The domain imports itself, Node, and the three packages that do its arithmetic.',
      severity: 'error',
      from: { path: `${ROOMS}/domain/`, pathNot: SPEC },
      to: {
        pathNot: [`${ROOMS}/domain/`, packages('otpauth', 'argon2', 'qrcode')],
        dependencyTypesNot: ['core'],
      },
    },
    only('typeorm-in-persistence', 'Only persistence/ knows TypeORM.', packages('typeorm'), [`${ROOMS}/persistence/`]),
    only(
      'nest-typeorm-in-persistence',
      'Only persistence/ and the wiring know @nestjs/typeorm.',
      packages('@nestjs/typeorm'),
      [`${ROOMS}/persistence/`, WIRING],
    ),
    only('schedule-in-cleanup', 'Only cleanup/ knows @nestjs/schedule.', packages('@nestjs/schedule', 'cron'), [
      `${ROOMS}/cleanup/`,
    ]),
    only('validation-in-http', 'Only http/ knows class-validator.', packages('class-validator', 'class-transformer'), [
      `${ROOMS}/http/`,
    ]),
    only(
      'webauthn-in-ceremonies',
      'Only the ceremonies of passkeys know @simplewebauthn/server, an optional peer. Types count, too: the published declarations have none of it.',
      packages('@simplewebauthn/[^/]+'),
      [`${ROOMS}/factors/passkey/passkey-ceremonies\\.ts$`],
    ),
    {
      name: 'lazily-loaded',
      comment:
        'What no start needs is loaded by those who ask for it. Of class-validator one file of its own tells at start that it is there.',
      severity: 'error',
      from: { path: ROOMS, pathNot: [SPEC, `${ROOMS}/http/dto/`] },
      to: {
        path: [
          packages('class-validator', '@nestjs/schedule', '@nestjs/microservices', '@nestjs/websockets', 'qrcode'),
          packages('@simplewebauthn/server'),
          `${ROOMS}/http/dto/`,
        ],
        pathNot: 'class-validator/cjs/container\\.js$',
        dynamic: false,
        dependencyTypesNot: ['type-only'],
      },
    },
    only(
      'swagger-nowhere',
      'The OpenAPI document is plain data, so @nestjs/swagger stays the choice of the host.',
      packages('@nestjs/swagger'),
      [],
    ),
    {
      name: 'declared-dependencies',
      comment: 'What the library imports, its package.json declares for those who install it.',
      severity: 'error',
      from: { path: ROOMS, pathNot: SPEC },
      // An optional peer counts as `npm-no-pkg` too.
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['npm-peer'] },
    },
    {
      name: 'migrations-without-nest',
      comment: "The host's DataSource file loads `nestjs-mfa/migrations` where there is no Nest application.",
      severity: 'error',
      from: { path: `${ROOMS}/migrations\\.ts$` },
      to: { path: packages('@nestjs/[^/]+'), reachable: true },
    },
    ...['http', 'cleanup', 'testing', 'cli'].map((room) => ({
      name: `nobody-imports-${room}`,
      comment: `${room}/ is at the edge: only the wiring and the entry points reach it.`,
      severity: 'error',
      from: { path: ROOMS, pathNot: [`${ROOMS}/${room}/`, WIRING, ENTRY, SPEC] },
      to: { path: `${ROOMS}/${room}/` },
    })),
    {
      name: 'flow-sees-ports',
      comment:
        'Only the wiring knows persistence, and the command line, which wires for itself; everyone else uses the storage ports of the domain.',
      severity: 'error',
      from: { path: ROOMS, pathNot: [`${ROOMS}/persistence/`, CLI, WIRING, ENTRY, SPEC] },
      to: { path: `${ROOMS}/persistence/` },
    },
    {
      name: 'persistence-below-the-flow',
      comment: 'Persistence implements the ports and knows nothing of the flow.',
      severity: 'error',
      from: { path: `${ROOMS}/persistence/`, pathNot: SPEC },
      to: { path: `${ROOMS}/${FLOW}/` },
    },
    {
      name: 'import-beside-the-flow',
      comment: 'An import writes through the storage ports, and shares nothing with the flow.',
      severity: 'error',
      from: { path: `${ROOMS}/import/`, pathNot: SPEC },
      to: { path: `${ROOMS}/(${FLOW.slice(1, -1)}|status|admin|events)/` },
    },
    {
      name: 'nobody-imports-import',
      comment: 'Only its entry point, the command line and its storage import import/.',
      severity: 'error',
      from: { path: ROOMS, pathNot: [`${ROOMS}/(import|cli)/`, `${ROOMS}/persistence/import-`, ENTRY, SPEC] },
      to: { path: `${ROOMS}/import/` },
    },
    {
      name: 'core-without-import',
      comment: 'An application that imports `nestjs-mfa` loads nothing of the importer.',
      severity: 'error',
      from: { path: `${ROOMS}/index\\.ts$` },
      to: { path: `${ROOMS}/(import/|import\\.ts$|persistence/import-)`, reachable: true },
    },
    {
      name: 'domain-serves-the-flow',
      comment: 'What only the importer uses belongs in import/.',
      severity: 'error',
      from: {
        path: ROOMS,
        pathNot: [`${ROOMS}/import/`, `${ROOMS}/import\\.ts$`, `${ROOMS}/persistence/import-`, CLI, SPEC],
      },
      module: { path: `${ROOMS}/domain/`, pathNot: SPEC, numberOfDependentsLessThan: 1 },
    },
    {
      name: 'migrations-without-entities',
      comment: 'A migration describes the past; entities change.',
      severity: 'error',
      from: { path: `${ROOMS}/persistence/migrations/`, pathNot: SPEC },
      to: { path: `${ROOMS}/persistence/(entities|stores)/|\\.entity\\.ts$` },
    },
    {
      name: 'nobody-imports-the-doors',
      comment: 'Inside the library modules import each other, not the entry points.',
      severity: 'error',
      from: { path: ROOMS, pathNot: [ENTRY, SPEC] },
      to: { path: ENTRY },
    },
    {
      name: 'hosts-use-entry-points',
      comment: 'Whatever stands for a host imports the package by its name.',
      severity: 'error',
      from: { path: '^(apps/|test/e2e/|ormconfig\\.ts$)' },
      to: {
        path: '^libs/mfa/|(^|/)node_modules/nestjs-mfa/|^nestjs-mfa/',
        // By its name the package is found through the aliases of tsconfig.json.
        dependencyTypesNot: ['aliased-tsconfig', 'aliased-tsconfig-paths'],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage|test/hosts)/|^(apps|libs)/[^/]+/dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      mainFields: ['main', 'types'],
    },
  },
};
