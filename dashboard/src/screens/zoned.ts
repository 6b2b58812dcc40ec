// Instants on the clock of a schedule's zone, and where that clock is changed between two of them.

export interface Zoned {
  at: string;
  /** `Mon 2026-10-26 02:30:00`. */
  local: string;
  /** `+01:00`. */
  offset: string;
  /** The clock was changed since the one before, by so many minutes; 0 if not. */
  changed: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone, weekday: 'short', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', timeZoneName: 'longOffset',
  });
  formats.set(zone, made);
  return made;
}

/** Whether a browser knows this zone. */
export function knowsZone(zone: string): boolean {
  try {
    format(zone);
    return true;
  } catch {
    return false;
  }
}

function minutes(offset: string): number {
  const [, sign, hours, rest] = /^([+-])(\d\d):(\d\d)/.exec(offset) ?? [];
  return sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (60 * Number(hours) + Number(rest));
}

/** Instants as the clock of `zone` shows them. */
export function zoned(instants: string[], zone: string): Zoned[] {
  let before: number | undefined;
  return instants.map((at) => {
    const part = Object.fromEntries(format(zone).formatToParts(new Date(at)).map(({ type, value }) => [type, value]));
    const offset = (part.timeZoneName ?? '').replace('GMT', '') || '+00:00';
    const changed = before === undefined ? 0 : minutes(offset) - before;
    before = minutes(offset);
    return { at, local: `${part.weekday} ${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second}`, offset, changed };
  });
}

/** The change of a clock, in words. */
export function changeWords(minutes: number): string {
  const size = Math.abs(minutes) % 60 === 0 ? `${Math.abs(minutes) / 60} h` : `${Math.abs(minutes)} min`;
  return `the clock was put ${minutes > 0 ? 'forward' : 'back'} by ${size}`;
}
