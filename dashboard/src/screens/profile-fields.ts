// The fields of a profile, as the API describes them, and what was typed into them, as a profile's body.

import { ExactNumber } from '../api/exact';

export interface ProfileField {
  /** The field of the profile; of a part, `backoff.initial`. */
  key: string;
  label: string;
  kind: 'text' | 'integer' | 'number' | 'duration' | 'choice' | 'list' | 'labels';
  /** What holds, or is typed, if it stays empty. */
  hint: string;
  max?: number;
  choices?: [string, string][];
}

type Body = Record<string, unknown>;
/** What stands in each field, as text. */
export type Texts = Record<string, string>;

export const PROFILE_FIELDS: ProfileField[] = [
  { key: 'queue', label: 'Queue', kind: 'text', hint: 'default' },
  { key: 'priority', label: 'Priority, 0 to 9; 9 goes first', kind: 'integer', hint: '0', max: 9 },
  { key: 'retries', label: 'Retries after a failure', kind: 'integer', hint: '0', max: 1_000 },
  { key: 'timeout', label: 'An attempt may take', kind: 'duration', hint: 'no limit; for example 10m' },
  { key: 'heartbeatTimeout', label: 'Its code may be silent for', kind: 'duration', hint: 'no limit; for example 30s' },
  { key: 'onWorkerLost', label: 'If its worker is lost', kind: 'choice', hint: 'the default', choices: [['retry', 'try again'], ['fail', 'fail'], ['hold', 'wait for somebody']] },
  { key: 'backoff.type', label: 'Waits before retries', kind: 'choice', hint: 'the default', choices: [['fixed', 'always the same'], ['linear', 'grow evenly'], ['exponential', 'double, or by the factor']] },
  { key: 'backoff.initial', label: 'First wait', kind: 'duration', hint: 'the default; for example 5s' },
  { key: 'backoff.max', label: 'Longest wait', kind: 'duration', hint: 'the default; for example 10m' },
  { key: 'backoff.factor', label: 'Factor', kind: 'number', hint: 'the default; for example 2' },
  { key: 'backoff.jitter', label: 'Spread', kind: 'choice', hint: 'the default', choices: [['full', 'at random up to the wait'], ['none', 'none']] },
  { key: 'retryOn', label: 'Retry only these error types', kind: 'list', hint: 'all; with commas between them' },
  { key: 'nonRetryable', label: 'Never retry these error types', kind: 'list', hint: 'none; with commas between them' },
  { key: 'labels', label: 'Labels a worker must carry', kind: 'labels', hint: 'none; gpu=yes, zone=eu' },
  { key: 'tags', label: 'Tags', kind: 'list', hint: 'none; with commas between them' },
];

/** A backoff may be said by its shape alone. */
function parts(body: Body): Body {
  const { backoff } = body;
  if (typeof backoff === 'string') return { type: backoff };
  return typeof backoff === 'object' && backoff !== null ? (backoff as Body) : {};
}

function valueOf(body: Body, key: string): unknown {
  return key.startsWith('backoff.') ? parts(body)[key.slice('backoff.'.length)] : body[key];
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (value instanceof ExactNumber) return value.text;
  if (Array.isArray(value)) return value.map(textOf).join(', ');
  if (typeof value === 'object') return Object.entries(value).map(([name, each]) => `${name}=${textOf(each)}`).join(', ');
  return String(value);
}

/** The texts of the fields, as a body has them. */
export function textsOf(body: Body): Texts {
  return Object.fromEntries(PROFILE_FIELDS.map(({ key }) => [key, textOf(valueOf(body, key))]));
}

const words = (text: string) => text.split(',').map((word) => word.trim()).filter((word) => word !== '');

/** What was typed, as a value. What cannot be read stays a text: the server says what is wrong with it. */
function read(kind: ProfileField['kind'], text: string): unknown {
  if (kind === 'list') return words(text);
  if (kind === 'labels') return Object.fromEntries(words(text).map((word) => [word.split('=')[0]?.trim() ?? '', word.split('=').slice(1).join('=').trim()]));
  const isNumber = ['integer', 'number', 'duration'].includes(kind) && /^\d+(\.\d+)?$/.test(text);
  return isNumber ? Number(text) : text;
}

/** A body with what was typed. A field whose text did not change keeps its value as it was written; unknown ones stay. */
export function bodyOf(before: Body, texts: Texts): Body {
  const known = textsOf(before);
  const body: Body = { ...before };
  for (const { key, kind } of PROFILE_FIELDS) {
    const text = (texts[key] ?? '').trim();
    if (text === known[key]) continue;
    const [name = key, part] = key.split('.');
    const value = text === '' ? undefined : read(kind, text);
    const whole = part === undefined ? value : { ...parts(body), [part]: value };
    const isEmpty = whole === undefined || (part !== undefined && Object.values(whole as Body).every((each) => each === undefined));
    if (isEmpty) delete body[name];
    else body[name] = part === undefined ? whole : Object.fromEntries(Object.entries(whole as Body).filter(([, each]) => each !== undefined));
  }
  return body;
}

/** The arguments of `mainspring profiles set` that make `after` of `before`. */
export function assignments(before: Body, after: Body): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  return changed.map((name) => `${name}=${after[name] === undefined ? '' : argument(after[name])}`);
}

/** A value as the command reads it: JSON, or a text that is no JSON as it is. */
function argument(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  try {
    JSON.parse(value);
    return JSON.stringify(value);
  } catch {
    return value;
  }
}
