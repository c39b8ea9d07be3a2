import { isMfaError } from '../../domain/mfa-error.js';
import { MfaAccountEntity } from '../entities/index.js';
import { raw, type Sql, sql, type SqlDialect } from './sql.js';
import { type StatementRunner, misunderstood } from './statement-runner.js';

const TEXT = { postgres: raw('varchar(255)'), mysql: raw('CHAR(255)'), sqlite: raw('TEXT') };

/** What a driver must return as it is. User ids are often digits, and an account without authenticators has ''. */
const SAMPLES = { mixed: 'aB c', digits: '42', blank: '' } as const;

/**
 * Looks at start-up whether what the DataSource returns can be understood: the shape of results, text as strings,
 * 64-bit integers as what `Number` reads, and the number of written rows. Otherwise `MFA_MISCONFIGURED`.
 */
// S43a
export async function checkResults(statements: StatementRunner): Promise<void> {
  const { records } = await statements.run(samplesQuery(statements.dialect));
  const [row] = records;
  if (!row || records.length !== 1) throw misunderstood(`${records.length} rows where there is one`);
  for (const [name, sample] of Object.entries(SAMPLES)) {
    if (row[name] !== sample) throw misunderstood('a text that is not the string that was sent');
  }
  if (Number(row.large) !== Number.MAX_SAFE_INTEGER || row.absent !== null) {
    throw misunderstood('a 64-bit integer or a NULL that is not what was sent');
  }
  await checkAffected(statements);
}

async function checkAffected(statements: StatementRunner): Promise<void> {
  let affected: number;
  try {
    ({ affected } = await statements.run(
      sql`UPDATE ${MfaAccountEntity} SET security_stamp = security_stamp WHERE 1 = 0`,
    ));
  } catch (error) {
    if (isMfaError(error) && error.code === 'MFA_MISCONFIGURED') throw error;
    return; // a database that refuses to be written at the moment refuses later writes too
  }
  if (affected !== 0) throw misunderstood('a number of written rows where nothing was written');
}

function samplesQuery({ family, integer }: SqlDialect): Sql {
  const text = (sample: string) => sql`CAST(${sample} AS ${TEXT[family]})`;
  return sql`SELECT ${text(SAMPLES.mixed)} AS mixed, ${text(SAMPLES.digits)} AS digits, ${text(SAMPLES.blank)} AS blank,
    CAST(${Number.MAX_SAFE_INTEGER} AS ${integer}) AS large, NULL AS absent`;
}
