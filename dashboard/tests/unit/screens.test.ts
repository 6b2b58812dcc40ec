import { describe, expect, it } from 'vitest';
import { barAt, HEIGHT_MAX, rowsAt } from '../../src/parts/table';
import { match } from '../../src/router-match';
import { offers } from '../../src/parts/offers';
import { ageOf, stateOf, withAge, withState } from '../../src/parts/offers';
import { LineReader, shownText } from '../../src/screens/log-lines';
import { examine, moves, ranges } from '../../src/screens/checks';
import { diff } from '../../src/screens/diff';
import { ExactNumber, parseExact, printExact } from '../../src/api/exact';
import type { Cluster, LogChunk } from '../../src/api/types';

describe('addresses', () => {
  it('fit their pattern as a whole, decoded', () => {
    expect(match('/jobs/:job', '/jobs/a%20b')).toEqual({ job: 'a b' });
    expect(match('/jobs/:job', '/jobs/a/')).toEqual({ job: 'a' });
    expect(match('/jobs/:job', '/jobs')).toBeNull();
    expect(match('/jobs/:job', '/jobs/a/tasks')).toBeNull();
    expect(match('/jobs/:job', '/jobs/%E0%A4%A')).toBeNull();
  });
});

describe('the query field', () => {
  it('offers fields, then their words, behind commas and minus too', () => {
    expect(offers('queue:a st', 'tasks', undefined)[0]?.word).toBe('status:');
    expect(offers('-status:fail', 'tasks', undefined).map((offer) => offer.word)).toEqual(['-status:failed']);
    expect(offers('status:failed,canc', 'jobs', undefined).map((offer) => offer.word)).toEqual(['status:failed,cancelled']);
    expect(offers('"free ', 'tasks', undefined)).toEqual([]);
    expect(offers('queue:', 'jobs', undefined)).toEqual([]);
  });

  it('exchanges the state of a query and keeps the rest', () => {
    expect(stateOf('queue:a status:failed')).toBe('failed');
    expect(withState('queue:a status:failed,ready tag:x', 'running')).toBe('status:running queue:a tag:x');
    expect(withState('status:failed', '')).toBe('');
    expect(withState('-status:failed', 'ready')).toBe('status:ready -status:failed');
  });
});

describe('ages', () => {
  it('are exchanged in a query, which keeps the rest', () => {
    expect(ageOf('queue:a created:>24h')).toBe('>24h');
    expect(ageOf('-created:>24h')).toBe('');
    expect(withAge('queue:a created:<1h tag:x', '>7d')).toBe('queue:a tag:x created:>7d');
    expect(withAge('created:>7d', '')).toBe('');
  });
});

describe('a list taller than a browser draws', () => {
  it('begins at its first row, ends at its last, and finds its way back', () => {
    const [height, total] = [600, 36_000_000];
    expect(rowsAt(0, height, total)).toBe(0);
    expect(Math.round(rowsAt(HEIGHT_MAX - height, height, total))).toBe(total - height);
    expect(Math.round(barAt(rowsAt(5_000, height, total), height, total))).toBe(5_000);
    expect(rowsAt(5_000, height, HEIGHT_MAX)).toBe(5_000);
    expect(barAt(5_000, height, HEIGHT_MAX)).toBe(5_000);
  });
});

describe('logs', () => {
  const chunk = (data: string, stream: LogChunk['stream'] = 'stdout'): LogChunk => ({ attempt: 1, seq: 0, stream, timestamp: 't', data });

  it('keeps an open line open over chunks, each stream its own', () => {
    const reader = new LineReader();
    for (const each of [chunk('one\ntw'), chunk('oops', 'stderr'), chunk('o\n\nfour\n'), chunk('!\n', 'stderr')]) reader.take(each);
    expect(reader.lines.map((line) => `${line.number} ${line.stream} ${line.text}`)).toEqual(['1 stdout one', '2 stdout two', '3 stderr oops!', '4 stdout ', '5 stdout four']);
  });

  it('shows what a terminal would', () => {
    expect(shownText('\u001b[31mred\u001b[0m')).toBe('red');
    expect(shownText('10 %\r20 %\r30 %\r')).toBe('30 %');
    expect(shownText('\u001b]0;title\u0007text')).toBe('text');
  });
});

describe('a cluster', () => {
  const node = (nodeId: string) => ({ nodeId, address: 'http://a', about: `host of ${nodeId}`, version: '1', alive: true, silentMs: 0, shards: [0] });
  const cluster: Cluster = { nodeId: 'a', store: 'postgres', durability: 'D2', time: '', reasons: [], nodes: [node('a'), node('b')], shards: [{ shard: 0, epoch: 1, nodeId: 'a' }] };
  const ill = (change: Partial<Cluster>, skew = 10) => examine({ ...cluster, ...change }, skew).filter((check) => !check.well).map((check) => check.name);

  it('fails the check of what is wrong with it, and says how to mend it', () => {
    expect(ill({})).toEqual([]);
    expect(ill({ reasons: [{ reason: 'store_write', detail: 'full' }] })).toEqual(['server']);
    expect(ill({ durability: 'D0' })).toEqual(['store']);
    expect(ill({ nodes: [node('a'), { ...node('b'), alive: false }] })).toEqual(['nodes']);
    expect(ill({ nodes: [node('a'), { ...node('b'), address: null }] })).toEqual(['addresses']);
    expect(ill({ nodes: [{ ...node('a'), address: null }] })).toEqual([]);
    expect(ill({ shards: [{ shard: 0, epoch: 1, nodeId: null }] })).toEqual(['shards']);
    expect(ill({ nodes: [node('a'), { ...node('b'), version: '2' }] })).toEqual(['versions']);
    expect(ill({}, 60_000)).toEqual(['clock']);
    expect(examine(cluster, 60_000).every((check) => check.well !== (check.mend !== undefined))).toBe(true);
  });

  it('tells which shards moved, and names many in few words', () => {
    const after = [{ shard: 0, epoch: 2, nodeId: 'b' }, { shard: 1, epoch: 1, nodeId: 'a' }];
    expect(moves(cluster.shards, after)).toEqual([{ shard: 0, epoch: 2, from: 'a', to: 'b' }]);
    expect(moves(after, after)).toEqual([]);
    expect(ranges([7, 3, 1, 2, 8, 11])).toBe('1–3, 7, 8, 11');
  });
});

describe('versions', () => {
  it('differ in the fewest lines', () => {
    expect(diff('a\nb\nc\nd', 'a\nx\nc\nd\ne').map((line) => `${line.kind} ${line.text}`)).toEqual(['same a', 'del b', 'add x', 'same c', 'same d', 'add e']);
    expect(diff('', 'a').map((line) => line.kind)).toEqual(['del', 'add']);
    expect(diff('same', 'same').map((line) => line.kind)).toEqual(['same']);
  });
});

describe('payloads', () => {
  it('print as objects do', () => {
    expect(printExact({ a: [1, 'x', null], b: {}, c: [] })).toBe('{\n  "a": [\n    1,\n    "x",\n    null\n  ],\n  "b": {},\n  "c": []\n}');
    expect(printExact({ n: new ExactNumber('9007199254740993') })).toContain('9007199254740993');
    expect(parseExact('{"n": 12}')).toEqual({ n: 12 });
  });
});
