// JSON of users without loss: numbers that JavaScript cannot hold stay as they were written.

/** A number kept as its text. */
export class ExactNumber {
  constructor(readonly text: string) {}
  toJSON(): unknown {
    return Number(this.text);
  }
}

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;

/** Reads JSON; integers beyond 2^53 and decimals that would change become [`ExactNumber`]. */
export function parseExact(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const keep: Reviver = (_key, value, context) => {
    const source = context?.source;
    const changed = typeof value === 'number' && source !== undefined && !/[.eE]/.test(source) && String(value) !== source;
    return changed ? new ExactNumber(source) : value;
  };
  return JSON.parse(text, keep as (this: unknown, key: string, value: unknown) => unknown);
}

/** Writes JSON with two spaces of indentation; what was exact stays exact. */
export function printExact(value: unknown, indent = ''): string {
  if (value instanceof ExactNumber) return value.text;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    const inner = indent + '  ';
    return `[\n${value.map((item) => inner + printExact(item, inner)).join(',\n')}\n${indent}]`;
  }
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value);
    if (members.length === 0) return '{}';
    const inner = indent + '  ';
    return `{\n${members.map(([key, item]) => `${inner}${JSON.stringify(key)}: ${printExact(item, inner)}`).join(',\n')}\n${indent}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
