/** The results as tables on the terminal. */
import { LABELS, SCENARIOS } from '../variants/names.mjs';

/** Prints one table a scenario and number in flight, then what else was measured. */
export function printTables({ results, statements, elsewhere, problems, machine, run, date }) {
  console.log(`\n${date}, ${machine.name}; ${run.rounds} rounds of ${run.seconds} s, pool of ${run.poolSize}`);
  const kinds = [...new Set(results.map(({ scenario, inFlight }) => `${scenario} ${inFlight}`))];
  for (const kind of kinds) {
    const [scenario, inFlight] = kind.split(' ');
    console.log(`\n${SCENARIOS[scenario].label}, ${inFlight} in flight`);
    const rows = results.filter((row) => row.scenario === scenario && row.inFlight === Number(inFlight));
    printTable(rows.map((row) => cellsOf(row, statements)));
  }
  for (const { label, skipped, results: rows, statements: counted } of elsewhere) {
    console.log(`\n${label}${skipped ? `: skipped, ${skipped}` : ''}`);
    if (!skipped)
      printTable(
        rows.map((row) => ({ scenario: SCENARIOS[row.scenario].label, ...cellsOf(row, { fastify: counted }) })),
      );
  }
  for (const problem of problems) console.log(`\nleft out: ${problem}`);
}

function cellsOf(row, statements) {
  const { variant, scenario } = row;
  const counted = statements[variant]?.[scenario];
  return {
    variant: LABELS[variant],
    'requests/s': spread(row.throughput),
    '× floor': row.ofFloor ?? '',
    '× same': row.ofSame ?? '',
    'p50 ms': row.p50.median,
    'p99 ms': row.p99.median,
    'server CPU ms': row.serverCpuMs.median,
    '× floor ': row.cpuOfFloor ?? '',
    'database CPU ms': row.databaseCpuMs?.median ?? 'n/a',
    statements: counted ? `${counted.statements} (${counted.writes} write)` : '',
    'RSS MiB': Math.round(row.rssMiB.median),
  };
}

const spread = ({ median, min, max }) => `${Math.round(median)} (${Math.round(min)}–${Math.round(max)})`;

/** Rows of the same keys. */
export function printTable(rows) {
  if (rows.length === 0) return;
  const names = Object.keys(rows[0]);
  const widths = names.map((name) => Math.max(name.trim().length, ...rows.map((row) => String(row[name]).length)));
  const line = (cells) =>
    cells
      .map((cell, index) => (index === 0 ? String(cell).padEnd(widths[0]) : String(cell).padStart(widths[index])))
      .join('  ');
  console.log(line(names.map((name) => name.trim())));
  for (const row of rows) console.log(line(names.map((name) => row[name])));
}
