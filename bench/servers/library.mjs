/** The library in an application, with the commands that prepare and watch it. */
import { setImmediate } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { MfaChallengeService, MfaCleanupService, MfaEnrollmentService, MfaPasskeyService } from 'nestjs-mfa';
import { addCrowd, countUsage, fillUsage, tableSizes } from './library-crowd.mjs';
import { addBackupUsers, addPasskeyUsers, addUsers } from './library-users.mjs';
import { createLibraryApp } from './library-app.mjs';
import { recordPlans } from './library-recording.mjs';
import { count, countStatements, listenToStatements } from './query-log.mjs';
import { watchEventLoop } from './event-loop.mjs';

export async function start(config) {
  const app = await createLibraryApp(config);
  const { port } = app.getHttpServer().address();
  return { port, commands: commandsOf(app, port) };
}

function commandsOf(app, port) {
  const dataSource = app.get(DataSource);
  const challenges = app.get(MfaChallengeService);
  return {
    addUsers: (input) => addUsers(app, input),
    addBackupUsers: (input) => addBackupUsers(app, input),
    addPasskeyUsers: (input) => addPasskeyUsers(app, input),
    addCrowd: (input) => addCrowd(app, input),
    tableSizes: () => tableSizes(app),
    fillUsage: (input) => fillUsage(app, input),
    countUsage: () => countUsage(app),
    recordPlans: (input) => recordPlans(port, challenges, input),
    /** mfa_tokens of these users, in their order. */
    issue: (userIds) => inTwenties(userIds, (userId) => issueOne(challenges, userId)),
    /** `{ mfa_token, options }` of these users: also what the browser needs for a response. */
    issueForPasskeys: (userIds) =>
      inTwenties(userIds, async (userId) => {
        const mfa_token = await issueOne(challenges, userId);
        return { mfa_token, options: (await app.get(MfaPasskeyService).options(mfa_token)).options };
      }),
    countStatements() {
      countStatements();
      // Other drivers do not go through `pg`; TypeORM tells of theirs.
      if (dataSource.options.type !== 'postgres') dataSource.setOptions({ logger: queryLogger(count), logging: true });
    },
    purge: () => purge(app),
    timeSetups: (input) => timeSetups(app, input),
    close: () => app.close(),
  };
}

async function issueOne(challenges, userId) {
  const { mfaRequired, mfa_token } = await challenges.issue(userId);
  if (!mfaRequired) throw new Error('a user of the benchmark is not enrolled');
  return mfa_token;
}

/** What `work` returns for each item, in their order. Twenty at a time. */
async function inTwenties(items, work) {
  const results = [];
  for (let start = 0; start < items.length; start += 20) {
    results.push(...(await Promise.all(items.slice(start, start + 20).map(work))));
  }
  return results;
}

const silent = () => {};
const queryLogger = (logQuery) => ({
  logQuery,
  logQueryError: silent,
  logQuerySlow: silent,
  logSchemaBuild: silent,
  logMigration: silent,
  log: silent,
});

/** Runs the cleanup; answers what it removed, how long it and its longest statement took, and the longest stall. */
async function purge(app) {
  let longestMs = 0;
  listenToStatements(({ text, answer }) => {
    const startedAt = performance.now();
    const ended = () => (longestMs = Math.max(longestMs, performance.now() - startedAt));
    if (/^\s*(with|delete)/i.test(text)) answer?.then?.(ended, ended);
  });
  const stall = watchEventLoop();
  const startedAt = performance.now();
  const removed = await app.get(MfaCleanupService).purge();
  const seconds = (performance.now() - startedAt) / 1_000;
  await setImmediate();
  listenToStatements(null);
  return { removed, seconds, longestStatementMs: longestMs, longestStallMs: stall.end() };
}

/** Milliseconds of processor time of one setup, with both QR codes. */
async function timeSetups(app, { from, count }) {
  const enrollment = app.get(MfaEnrollmentService);
  const before = process.cpuUsage();
  for (let n = from; n < from + count; n++) {
    await enrollment.setup({ userId: `setup-${n}`, accountName: `somebody.${n}@example.test` }, {});
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / count;
}
