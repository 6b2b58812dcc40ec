import { describe, expect, it } from 'vitest';
import { patchOf, rateText, rateWords } from '../../src/screens/limits';

describe('limits', () => {
  const fields = [{ key: 'concurrency', flag: '', label: '', hint: '', isNumber: true }, { key: 'rate', flag: '', label: '', hint: '' }];

  it('change only in what differs, and go where they were emptied', () => {
    expect(patchOf(fields, { concurrency: '2', rate: '1/1s' }, { concurrency: '3', rate: ' 1/1s ' })).toEqual({ concurrency: 3 });
    expect(patchOf(fields, { concurrency: '2', rate: '1/1s' }, { concurrency: '', rate: '5/1m' })).toEqual({ concurrency: null, rate: '5/1m' });
    expect(patchOf(fields, {}, { concurrency: '0' })).toEqual({ concurrency: 0 });
  });

  it('of time are written as the command line reads them', () => {
    expect([rateText({ limit: 100, per: '1m', burst: 20 }), rateText({ limit: 5, per: 1 }), rateText({ limit: 5, per: 5_400 }), rateText(undefined)]).toEqual(['100/1m', '5/1s', '5/90m', '']);
    expect([rateWords({ limit: 100, per: '1m', burst: 20 }), rateWords({ limit: 5, per: '1s', burst: 5 })]).toEqual(['100/1m, 20 at once', '5/1s']);
  });
});
