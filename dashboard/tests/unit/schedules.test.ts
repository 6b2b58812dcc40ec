import { describe, expect, it } from 'vitest';
import { lineOf, withForm } from '../../src/screens/schedule-form';
import { changeWords, knowsZone, zoned } from '../../src/screens/zoned';

describe('the clock of a schedule', () => {
  it('shows where it is changed, in both directions and by any length', () => {
    const rows = zoned(['2027-03-27T00:30:00Z', '2027-03-28T00:30:00Z', '2027-03-29T00:30:00Z'], 'Europe/Berlin');
    expect(rows.map(({ local, offset, changed }) => `${local} ${offset} ${changed}`)).toEqual(['Sat 2027-03-27 01:30:00 +01:00 0', 'Sun 2027-03-28 01:30:00 +01:00 0', 'Mon 2027-03-29 02:30:00 +02:00 60']);
    expect(zoned(['2027-04-01T00:00:00Z', '2027-04-10T00:00:00Z'], 'Australia/Lord_Howe')[1]?.changed).toBe(-30);
    expect(zoned(['2027-04-01T00:00:00Z'], 'UTC')[0]?.offset).toBe('+00:00');
    expect([changeWords(60), changeWords(-30)]).toEqual(['the clock was put forward by 1 h', 'the clock was put back by 30 min']);
    expect([knowsZone('Europe/Berlin'), knowsZone('Middle/Earth')]).toEqual([true, false]);
  });
});

describe('the form of a schedule', () => {
  it('keeps what it does not know, and drops what was emptied', () => {
    const spec = { cron: '0 1 * * *', timezone: 'UTC', exclude: ['2027-01-01'], overlap: 'allow', job: 'a', params: { x: 1 } };
    expect(withForm(spec, 'every', '5m', { timezone: '', overlap: 'skip' }, { job: 'b' })).toEqual({ every: '5m', overlap: 'skip', exclude: ['2027-01-01'], job: 'b' });
  });

  it('follows jobs without a word of the clock', () => {
    const body = withForm({ cron: '@daily', timezone: 'UTC', job: 'a' }, 'after', 'extract, prices ', { timezone: 'UTC', jitter: '5s', overlap: 'skip' }, { job: 'a' });
    expect(body).toEqual({ after: ['extract', 'prices'], overlap: 'skip', job: 'a' });
    expect(withForm(body, 'cron', '@daily', { timezone: 'UTC', overlap: '' }, { job: 'a' })).toEqual({ cron: '@daily', timezone: 'UTC', job: 'a' });
    expect(lineOf('load', body, true)).toBe('mainspring schedules create load --after extract --after prices --overlap skip --job a');
  });

  it('shows the command that does the same, by a file where there is no flag', () => {
    expect(lineOf('n', { cron: '0 2 * * *', job: 'report', params: { day: 'x' } }, true)).toBe(`mainspring schedules create n --cron '0 2 * * *' --job report --param 'day="x"'`);
    expect(lineOf('n', { cron: '@daily', exclude: ['a'], job: 'r' }, true)).toBe(`echo '{"name":"n","cron":"@daily","exclude":["a"],"job":"r"}' | mainspring schedules apply -`);
    expect(lineOf('n', { cron: '@daily', job: 'r' }, false)).toMatch(/^echo .* schedules apply -$/);
  });
});
