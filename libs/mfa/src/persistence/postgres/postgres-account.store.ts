import type { DataSource } from 'typeorm';
import type { RenderedSql } from '../statements/sql.js';
import type { TypeOrmStoreOptions } from '../statements/statement-runner.js';
import { securityStampQuery, snapshotQuery } from '../stores/account-sql.js';
import { type SnapshotQuery, TypeOrmAccountStore } from '../stores/account.store.js';
import { NamedQueries } from './named-queries.js';
import { StatementTemplates } from './statement-templates.js';

/** The account store whose two frequent reads PostgreSQL keeps parsed and planned. */
export class PostgresAccountStore extends TypeOrmAccountStore {
  private readonly templates: StatementTemplates;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super(dataSource, options, new NamedQueries(dataSource).send);
    this.templates = new StatementTemplates(this.statements.dialect);
  }

  protected override snapshotStatement({ rows, ...claim }: SnapshotQuery): RenderedSql {
    return this.templates.bind({ scope: this, kind: rows }, claim, (slots) => snapshotQuery({ ...slots, rows }));
  }

  protected override securityStampStatement(userId: string): RenderedSql {
    return this.templates.bind({ scope: this, kind: 'securityStamp' }, { userId }, (slots) =>
      securityStampQuery(slots),
    );
  }
}
