import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { HostFolder } from './command-line.js';
import { createDatabase, openMfaDataSource, type TestDatabase } from './databases.js';

/** A folder for the suite and, for each test, an SQLite database that a module there gives to the command line. */
export interface CommandLineHost {
  folder: HostFolder;
  database: TestDatabase;
  dataSource: DataSource;
  /** The module that exports the DataSource: what `-d` takes. */
  file: string;
}

/** Hooks that make the host before each test of the suite and remove it afterwards. */
export function eachOnSqlite(): CommandLineHost {
  const host = {} as CommandLineHost;
  let number = 0;
  beforeAll(() => {
    host.folder = new HostFolder();
  });
  afterAll(() => host.folder.remove());
  beforeEach(async () => {
    host.database = await createDatabase('sqlite');
    host.dataSource = await openMfaDataSource(host.database);
    // A module is loaded once, whatever is written into its file afterwards.
    host.file = host.folder.writeDataSource(host.database, `data-source-${(number += 1)}.mjs`);
  });
  afterEach(async () => {
    await host.dataSource.destroy();
    await host.database.drop();
  });
  return host;
}
