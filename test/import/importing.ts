import type { DataSource } from 'typeorm';
import type { MfaClock } from '../../libs/mfa/src/domain/clock.js';
import { SystemRandom } from '../../libs/mfa/src/domain/random.js';
import { KeyRing } from '../../libs/mfa/src/domain/secrets/key-ring.js';
import { SecretBox } from '../../libs/mfa/src/domain/secrets/secret-box.js';
import type { ImportTools } from '../../libs/mfa/src/import/import-tools.js';
import type { MfaImportReport } from '../../libs/mfa/src/import/import-report.js';
import { runImport } from '../../libs/mfa/src/import/import-run.js';
import { readPlan } from '../../libs/mfa/src/import/read-plan.js';
import { TypeOrmImportSource } from '../../libs/mfa/src/persistence/import-source.js';
import { TEST_KEY, type HostApp } from '../support/host-app.js';
import { typeOrmStores } from '../support/typeorm-stores.js';

export interface Importing {
  apply?: boolean;
  /** Where the source is, if not beside the MFA tables. */
  from?: DataSource;
  /** Changes what is written with. */
  tools?: (tools: ImportTools) => ImportTools;
  onProgress?: (done: number, total: number) => void;
}

export function toolsOn(dataSource: DataSource, clock: MfaClock): ImportTools {
  return {
    ...typeOrmStores(dataSource),
    box: new SecretBox(new KeyRing([TEST_KEY]), new SystemRandom()),
    clock,
  };
}

/** Imports into the application's tables, under its key and at its time. Applied, unless told otherwise. */
export function importInto(
  { dataSource, clock }: HostApp,
  plan: unknown,
  { apply = true, from = dataSource, tools = (same) => same, onProgress }: Importing = {},
): Promise<MfaImportReport> {
  const mapping = readPlan(plan);
  const source = new TypeOrmImportSource(from);
  return runImport({ mapping, source, tools: tools(toolsOn(dataSource, clock)), apply, onProgress });
}
