/** From the bursts of all rounds to medians, spreads and ratios. */
import { median, rounded, summary } from '../load/statistics.mjs';
import { LABELS, SCENARIOS } from '../variants/names.mjs';

const MEASURES = ['throughput', 'p50', 'p99', 'serverCpuMs', 'databaseCpuMs', 'rssMiB'];

/** Everything that is written and shown. Numbers are of this run alone. */
export function summarise({ options, machine, statements, rows, problems, elsewhere }) {
  const { rounds, seconds, users, poolSize, quick } = options;
  return {
    date: new Date().toISOString().slice(0, 10),
    machine,
    run: { rounds, seconds, users, poolSize, quick },
    statements,
    problems,
    results: groups(rows).map((group) => ({ ...kindOf(group[0]), ...measuresOf(group), ...ratiosOf(group, rows) })),
    elsewhere: elsewhere.map(({ rows: own, ...rest }) => ({
      ...rest,
      results: groups(own).map((group) => ({ ...kindOf(group[0]), ...measuresOf(group) })),
    })),
  };
}

const kindOf = ({ variant, scenario, inFlight }) => ({ variant, scenario, inFlight });
const sameKind = (a, b) => a.variant === b.variant && a.scenario === b.scenario && a.inFlight === b.inFlight;

function groups(rows) {
  const order = (row) =>
    Object.keys(SCENARIOS).indexOf(row.scenario) * 1e6 + row.inFlight * 100 + Object.keys(LABELS).indexOf(row.variant);
  const heads = rows.filter((row, index) => rows.findIndex((other) => sameKind(row, other)) === index);
  return heads.sort((a, b) => order(a) - order(b)).map((head) => rows.filter((row) => sameKind(row, head)));
}

function measuresOf(group) {
  return Object.fromEntries(MEASURES.map((measure) => [measure, summary(group.map((row) => row[measure]))]));
}

/** Each burst in relation to another one of the same round: of the floor, of the same statements, or of TOTP codes. */
function ratiosOf(group, rows) {
  const toKind = (kind, measure) => {
    const ratios = group.flatMap((row) => {
      const base = rows.find((other) => sameKind(other, { ...row, ...kind }) && other.round === row.round);
      return base && row[measure] !== null ? [row[measure] / base[measure]] : [];
    });
    return ratios.length > 0 ? rounded(median(ratios)) : null;
  };
  const to = (variant, measure) => toKind({ variant }, measure);
  return {
    ofFloor: to('floor', 'throughput'),
    ofSame: to('same', 'throughput'),
    cpuOfFloor: to('floor', 'serverCpuMs'),
    ofPeer: to('better-auth', 'throughput'),
    databaseCpuOfPeer: to('better-auth', 'databaseCpuMs'),
    ...(group[0].scenario === 'passkeyRight' && {
      ofTotp: toKind({ scenario: 'totpRight' }, 'throughput'),
      p50OfTotp: toKind({ scenario: 'totpRight' }, 'p50'),
      cpuOfTotp: toKind({ scenario: 'totpRight' }, 'serverCpuMs'),
      databaseCpuOfTotp: toKind({ scenario: 'totpRight' }, 'databaseCpuMs'),
    }),
  };
}
