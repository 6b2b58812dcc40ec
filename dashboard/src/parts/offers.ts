// The query language in the query field: what could stand at the end of a query, and its state.
import type { Stats } from '../api/types';
import { JOB_STATES, TASK_STATES } from '../states';

export interface Offer {
  /** Replaces the word that is being typed. */
  word: string;
  about: string;
}

const TASK_FIELDS: [string, string][] = [
  ['status:', 'where it stands'],
  ['queue:', 'the queue it waits in'],
  ['type:', 'its type'],
  ['tag:', 'a tag'],
  ['job:', 'the id of its job'],
  ['id:', 'its id; * at the end for any rest'],
  ['name:', 'its human name'],
  ['error:', 'the type of its error'],
  ['worker:', 'the worker of its last attempt'],
  ['duration:>', 'longer than 5m'],
  ['created:<', 'less than 1h ago'],
  ['attempt:>', 'tried more often than'],
  ['priority:>', 'of a higher priority than'],
  ['dead:true', 'among the dead letters'],
];
const JOB_FIELDS: [string, string][] = TASK_FIELDS.filter(([field]) => ['status:', 'tag:', 'id:', 'name:', 'created:<', 'duration:>'].includes(field));

/** What could stand at the end of a query. */
export function offers(text: string, scope: 'tasks' | 'jobs', stats: Stats | undefined): Offer[] {
  const word = text.slice(text.lastIndexOf(' ') + 1);
  if (word === '' || word.startsWith('"')) return [];
  const minus = word.startsWith('-') ? '-' : '';
  const bare = word.slice(minus.length);
  const colon = bare.indexOf(':');
  if (colon < 0) {
    const fields = scope === 'tasks' ? TASK_FIELDS : JOB_FIELDS;
    return fields.filter(([field]) => field.startsWith(bare)).map(([field, about]) => ({ word: minus + field, about }));
  }
  const field = bare.slice(0, colon);
  const before = bare.slice(colon + 1);
  const comma = before.lastIndexOf(',') + 1;
  const values = field === 'status' ? (scope === 'tasks' ? TASK_STATES : JOB_STATES) : field === 'queue' ? (stats?.queues ?? []).map((queue) => queue.name) : [];
  const kept = before.slice(0, comma);
  const fits = values.filter((value) => value.startsWith(before.slice(comma)) && value !== before.slice(comma));
  return fits.map((value) => ({ word: `${minus}${field}:${kept}${value}`, about: '' }));
}

/** The state that a query asks for, if it asks for just one. */
export function stateOf(q: string): string {
  return /(?:^| )status:([a-z]+)(?= |$)/.exec(q)?.[1] ?? '';
}

/** A query that asks for another state, or for any. */
export function withState(q: string, state: string): string {
  const rest = q.replace(/(^| )status:[a-z,]+(?= |$)/, '').trim();
  return [state && `status:${state}`, rest].filter(Boolean).join(' ');
}

/** How long ago something was accepted, as choices: what is written in the query, and how it reads. */
export const AGES: [string, string][] = [
  ['', 'at any time'],
  ['<1h', 'in the last hour'],
  ['<24h', 'in the last day'],
  ['>1h', 'before the last hour'],
  ['>24h', 'before the last day'],
  ['>7d', 'more than a week ago'],
  ['>30d', 'more than 30 days ago'],
];

/** The age that a query asks for, as in `AGES`. */
export function ageOf(q: string): string {
  return /(?:^| )created:([<>][^ ]+)(?= |$)/.exec(q)?.[1] ?? '';
}

/** A query that asks for another age, or for any. */
export function withAge(q: string, age: string): string {
  const rest = q.replace(/(^| )created:[^ ]+(?= |$)/g, '').trim();
  return [rest, age && `created:${age}`].filter(Boolean).join(' ');
}
