/** Texts by which databases and people say yes and no. */
const YES = ['true', 't', 'yes', 'y', 'on', '1'];
const NO = ['', 'false', 'f', 'no', 'n', 'off', '0'];

/** Unix seconds reach this value in the year 5138; milliseconds passed it in 1973. */
const FIRST_MILLISECONDS = 100_000_000_000;

/** Reads a boolean or a time as a flag; `null` for any other value. */
export function readFlag(value: unknown): boolean | null {
  if (value === null || value === undefined || value === false || value === 0) return false;
  if (value === true) return true;
  if (typeof value === 'string') {
    const word = value.trim().toLowerCase();
    if (NO.includes(word)) return false;
    if (YES.includes(word)) return true;
  }
  return value === 1 || readTimeMs(value) !== null ? true : null;
}

/** A Date, ISO 8601 text (of UTC where it names no zone), Unix seconds or milliseconds; `null` for anything else. */
export function readTimeMs(value: unknown): number | null {
  if (value instanceof Date) return checked(value.getTime());
  if (typeof value === 'number' || (typeof value === 'string' && /^\d{9,}(\.\d+)?$/.test(value.trim()))) {
    const number = Number(value);
    return checked(number < FIRST_MILLISECONDS ? Math.round(number * 1000) : number);
  }
  return typeof value === 'string' ? readIso(value.trim()) : null;
}

function readIso(text: string): number | null {
  const [, date, time, fraction = '', zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?\s?(Z|[+-]\d\d(?::?\d\d)?)?$/i.exec(text) ?? [];
  if (date === undefined) return null;
  const offset = /^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
  return checked(Date.parse(`${date}T${time}${fraction.slice(0, 4)}${offset}`));
}

/** From 2001 on: what is earlier counts something else. */
function checked(timeMs: number): number | null {
  return timeMs >= 1_000_000_000_000 && timeMs < 100_000_000_000_000 ? timeMs : null;
}
