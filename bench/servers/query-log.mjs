/** What a server process sends to PostgreSQL, whichever library sends it: all of them go through `pg`. */
import pg from 'pg';

let listener = null;
let counts = null;

const { query } = pg.Client.prototype;
pg.Client.prototype.query = function (config, values, ...rest) {
  const answer = query.call(this, config, values, ...rest);
  if (listener && (typeof config === 'string' || typeof config?.text === 'string')) {
    listener({ text: config.text ?? config, name: config.name, values: config.values ?? values ?? [], answer });
  }
  return answer;
};

/** Tells `listen` of every statement from now on: `{ text, name, values, answer }`; `null` ends it. */
export function listenToStatements(listen) {
  listener = listen;
}

/** From now on statements are counted. Not while anything is timed. */
export function countStatements() {
  counts = { statements: 0, writes: 0, transactions: 0 };
  listenToStatements(({ text }) => count(text));
}

/** Counts one statement; also for drivers other than `pg`. */
export function count(text) {
  if (/^\s*(begin|start transaction)/i.test(text)) counts.transactions++;
  else if (!/^\s*(commit|rollback|savepoint|release|set)\b/i.test(text)) {
    counts.statements++;
    if (/\b(insert\s+into|update\s+\S+\s+(\w+\s+)?set|delete\s+from)\b/i.test(text)) counts.writes++;
  }
}

/** What was counted; ends the counting. */
export function statementCounts() {
  listenToStatements(null);
  return counts;
}
