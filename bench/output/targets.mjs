/** What the project wants of itself, beside what was measured. */

const AT_MOST = 'at most';
const AT_LEAST = 'at least';

/** `{ what, target, measured, met }`; only of what was measured. */
export function targets({ comparison, passkeys, passkeyChecks, scale, micro }) {
  return [
    ...ofStatements(comparison),
    ...ofPasskeys(passkeys, passkeyChecks),
    ...ofSpeed(comparison),
    ...ofScale(scale),
    ...ofParts(micro),
  ].flatMap(({ what, bound, limit, value, unit = '' }) => {
    if (value === undefined || value === null) return [];
    const met = bound === AT_MOST ? value <= limit : value >= limit;
    return [{ what, target: `${bound} ${limit}${unit}`, measured: `${value}${unit}`, met }];
  });
}

function ofStatements({ statements } = {}) {
  const count = (scenario) => statements?.fastify?.[scenario]?.statements;
  return [
    { what: 'Statements of a right TOTP code, PostgreSQL', bound: AT_MOST, limit: 3, value: count('totpRight') },
    { what: 'Statements of a wrong TOTP code, PostgreSQL', bound: AT_MOST, limit: 2, value: count('totpWrong') },
    { what: 'Statements of a right backup code, PostgreSQL', bound: AT_MOST, limit: 3, value: count('backupRight') },
  ];
}

function ofPasskeys({ statements, elsewhere = [] } = {}, { checks = {} } = {}) {
  const { passkeyRight } = statements?.fastify ?? {};
  const elsewhereCounts = elsewhere.flatMap(({ statements: counted }) => counted?.passkeyRight?.statements ?? []);
  return [
    {
      what: 'Statements of a right passkey, PostgreSQL',
      ...{ bound: AT_MOST, limit: 3, value: passkeyRight?.statements },
    },
    { what: 'Writes of a right passkey, PostgreSQL', bound: AT_MOST, limit: 2, value: passkeyRight?.writes },
    {
      what: 'Statements of a right passkey, other databases',
      ...{ bound: AT_MOST, limit: 6, value: elsewhereCounts.length > 0 ? Math.max(...elsewhereCounts) : null },
    },
    ...Object.entries(checks).map(([algorithm, { addedMs }]) => ({
      what: `CPU of a passkey check beyond \`crypto.verify\`, ${algorithm}`,
      ...{ bound: AT_MOST, limit: 0.5, unit: ' ms', value: addedMs },
    })),
  ];
}

function ofSpeed({ results = [] } = {}) {
  const right = results.filter(({ scenario, inFlight }) => scenario === 'totpRight' && inFlight >= 8);
  return right.flatMap(({ variant, inFlight, ofFloor, ofSame, ofPeer, cpuOfFloor, databaseCpuOfPeer }) => {
    const at = `${inFlight} in flight`;
    if (variant === 'fastify') {
      return [
        { what: `Fastify: throughput × same statements, ${at}`, bound: AT_LEAST, limit: 0.75, value: ofSame },
        { what: `Fastify: throughput × floor, ${at}`, bound: AT_LEAST, limit: 0.3, value: ofFloor },
        {
          what: `Fastify: server CPU × floor, ${at}`,
          bound: AT_MOST,
          limit: 2,
          value: inFlight === 32 ? cpuOfFloor : null,
        },
        { what: `Fastify: throughput × better-auth, ${at}`, bound: AT_LEAST, limit: 6, value: ofPeer },
        { what: `Fastify: database CPU × better-auth, ${at}`, bound: AT_MOST, limit: 0.25, value: databaseCpuOfPeer },
      ];
    }
    if (variant !== 'express') return [];
    return [
      { what: `Express: throughput × same statements, ${at}`, bound: AT_LEAST, limit: 0.4, value: ofSame },
      { what: `Express: throughput × better-auth, ${at}`, bound: AT_LEAST, limit: 4, value: ofPeer },
    ];
  });
}

function ofScale({ verification = [], cleanup = [] } = {}) {
  const users = verification.slice(1).map(({ size, p50OfFirst: value }) => ({
    what: `p50 with ${size.toLocaleString('en')} users × with ${verification[0].size.toLocaleString('en')}`,
    ...{ bound: AT_MOST, limit: size > 1e6 ? 1.4 : 1.2, value },
  }));
  const on = (name) => cleanup.find(({ database }) => database === name) ?? {};
  const postgres = on('PostgreSQL');
  return [
    ...users,
    {
      what: 'Cleanup: longest statement, PostgreSQL',
      bound: AT_MOST,
      limit: 100,
      unit: ' ms',
      value: postgres.longestStatementMs,
    },
    { what: 'Cleanup: p50 of verifications × quiet', bound: AT_MOST, limit: 1.3, value: postgres.p50OfQuiet },
    {
      what: 'Cleanup: throughput of verifications × quiet',
      bound: AT_LEAST,
      limit: 0.8,
      value: postgres.throughputOfQuiet,
    },
    {
      what: 'Cleanup: longest stall, SQLite',
      bound: AT_MOST,
      limit: 150,
      unit: ' ms',
      value: on('SQLite').longestStallMs,
    },
  ];
}

function ofParts({ checks, setup, module, backupGuesses } = {}) {
  return [
    {
      what: 'TOTP p99 with 16 backup guesses in flight × quiet',
      bound: AT_MOST,
      limit: 2,
      value: backupGuesses?.totpP99OfQuiet,
    },
    {
      what: 'Start, added to a bare application',
      bound: AT_MOST,
      limit: 150,
      unit: ' ms',
      value: module?.addedStartMs,
    },
    {
      what: 'Start, added to one with class-validator and schedule',
      bound: AT_MOST,
      limit: 150,
      unit: ' ms',
      value: module?.addedStartWithPeersMs,
    },
    { what: 'Memory added to a bare application', bound: AT_MOST, limit: 25, unit: ' MiB', value: module?.addedRssMiB },
    {
      what: 'CPU of routes without decorators × without the module',
      bound: AT_MOST,
      limit: 1.05,
      value: module?.otherRoutesCpuRatio,
    },
    { what: 'TOTP check × three bare HMACs', bound: AT_MOST, limit: 1.5, value: checks?.totp.ratio },
    { what: 'mfa_token check × a bare HMAC token', bound: AT_MOST, limit: 3, value: checks?.token.ratio },
    { what: 'CPU of a setup', bound: AT_MOST, limit: 15, unit: ' ms', value: setup?.cpuMs },
  ];
}
