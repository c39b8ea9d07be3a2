/** Many rows from one, inside PostgreSQL, whatever columns the table has. */

/**
 * For every row of `source` (SQL, named `g`) inserts a copy of the row of `table` where `where` holds, with the columns
 * of `overrides` (SQL expressions) in place of the copied ones.
 */
export async function cloneRows(client, { table, where, source, overrides, values = [] }) {
  const { rows } = await client.query(
    'SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1',
    [table],
  );
  const columns = rows.map(({ column_name }) => column_name);
  const unknown = Object.keys(overrides).filter((name) => !columns.includes(name));
  if (unknown.length > 0) throw new Error(`${table} has no column ${unknown.join(', ')}`);
  const quoted = (name) => `"${name}"`;
  await client.query(
    `INSERT INTO ${quoted(table)} (${columns.map(quoted).join(', ')})
     SELECT ${columns.map((name) => overrides[name] ?? `s.${quoted(name)}`).join(', ')}
     FROM (SELECT * FROM ${quoted(table)} WHERE ${where} LIMIT 1) s, ${source}`,
    values,
  );
}
