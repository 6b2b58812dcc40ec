// Numbers, spans and instants for people.
import type { Count } from './api/types';

const whole = new Intl.NumberFormat('en');

export function number(value: number): string {
  return whole.format(value);
}

/** A count that may have stopped at a bound: `10,000+`. */
export function counted(count: Count | undefined): string {
  return count ? number(count.count) + (count.more ? '+' : '') : '0';
}

export function sum(counts: Record<string, Count>, ...names: string[]): Count {
  const chosen = names.map((name) => counts[name]).filter((count) => count !== undefined);
  return { count: chosen.reduce((total, count) => total + count.count, 0), more: chosen.some((count) => count.more) };
}

/** `0.4 ms`, `12 ms`, `1.2 s`, `3m 04s`, `2h 05m`, `3d 4h`. */
export function span(ms: number): string {
  if (ms < 0) return '0 ms';
  if (ms < 10) return `${ms < 1 ? ms.toFixed(1) : Math.round(ms * 10) / 10} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1_000);
  const two = (value: number) => String(value).padStart(2, '0');
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h ${two(Math.floor(seconds / 60) % 60)}m`;
  return `${Math.floor(seconds / 86_400)}d ${Math.floor(seconds / 3_600) % 24}h`;
}

/** `just now`, `12 s ago`, `in 3 min`. Clocks differ a little: a second ahead is now. */
export function relative(at: number, now: number): string {
  const ahead = at > now;
  const seconds = Math.round(Math.abs(now - at) / 1_000);
  if (seconds < 2) return 'just now';
  const steps: [number, number, string][] = [
    [60, 1, 's'],
    [3_600, 60, 'min'],
    [86_400, 3_600, 'h'],
    [Infinity, 86_400, 'd'],
  ];
  const [, unit, word] = steps.find(([below]) => seconds < below) ?? [0, 1, 's'];
  const text = `${Math.floor(seconds / unit)} ${word}`;
  return ahead ? `in ${text}` : `${text} ago`;
}

/** `2026-11-23 06:00:00.123`, in a zone. */
export function absolute(at: number, zone: 'local' | 'utc', precise = false): string {
  const moment = new Date(at);
  const shifted = zone === 'utc' ? moment : new Date(at - moment.getTimezoneOffset() * 60_000);
  const text = shifted.toISOString();
  return text.slice(0, 10) + ' ' + text.slice(11, precise ? 23 : 19) + (zone === 'utc' ? 'Z' : '');
}

/** How long something took, or has been taking. */
export function took(start: string | null | undefined, end: string | null | undefined, now: number): string {
  if (!start) return '—';
  return span((end ? Date.parse(end) : now) - Date.parse(start));
}

/** A word of an event or action for people: `TASK_RETRY` becomes `task retry`. */
export function words(text: string): string {
  return text.toLowerCase().replaceAll('_', ' ').replaceAll('.', ' ');
}

/** An argument of a shell line, quoted where it must be. */
export function quoted(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
