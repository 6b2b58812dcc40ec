import { describe, expect, it } from 'vitest';
import { absolute, counted, quoted, relative, span, took } from '../../src/format';

describe('format', () => {
  it('writes spans with the two units that matter', () => {
    expect([0.4, 12, 999, 1_250, 59_999, 61_000, 3_661_000, 90_000_000].map(span)).toEqual(['0.4 ms', '12 ms', '999 ms', '1.2 s', '59.9 s', '1m 01s', '1h 01m', '1d 1h']);
  });

  it('says how long ago, and takes a clock that is a second off for now', () => {
    const now = Date.UTC(2026, 10, 23);
    expect([0, 1_000, -1_000, -30_000, -120_000, 7_200_000].map((ms) => relative(now + ms, now))).toEqual(['just now', 'just now', 'just now', '30 s ago', '2 min ago', 'in 2 h']);
  });

  it('writes instants in UTC with its sign', () => {
    expect(absolute(Date.UTC(2026, 10, 23, 6, 0, 1, 5), 'utc')).toBe('2026-11-23 06:00:01Z');
    expect(absolute(Date.UTC(2026, 10, 23, 6, 0, 1, 5), 'utc', true)).toBe('2026-11-23 06:00:01.005Z');
  });

  it('marks a count that stopped at its bound', () => {
    expect([counted({ count: 10_000, more: true }), counted({ count: 3 }), counted(undefined)]).toEqual(['10,000+', '3', '0']);
  });

  it('runs on while something has not ended', () => {
    expect(took('2026-11-23T00:00:00Z', null, Date.UTC(2026, 10, 23, 0, 0, 5))).toBe('5.0 s');
    expect(took(null, null, 0)).toBe('—');
  });

  it('quotes what a shell would read otherwise', () => {
    expect([quoted('job/a-1.b'), quoted('status:failed a'), quoted("it's")]).toEqual(['job/a-1.b', "'status:failed a'", `'it'\\''s'`]);
  });
});
