import { describe, expect, it } from 'vitest';
import { Shelf } from '../../src/api/shelf';

const rows = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);

function three(): Shelf<number> {
  const shelf = new Shelf<number>();
  shelf.put(0, { items: rows(0, 3), nextCursor: 'b' }, String);
  shelf.extend();
  shelf.put(1, { items: rows(3, 2), nextCursor: 'c' }, String);
  shelf.extend();
  shelf.put(2, { items: rows(5, 3) }, String);
  return shelf;
}

describe('a list by cursors', () => {
  it('finds rows across pages of any length', () => {
    const shelf = three();
    expect(shelf.count).toBe(8);
    expect(rows(0, 9).map((index) => shelf.at(index))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, undefined]);
    expect(shelf.extend()).toBeNull();
  });

  it('goes on over an empty page that has a next one', () => {
    const shelf = new Shelf<number>();
    shelf.put(0, { items: [], nextCursor: 'b' }, String);
    expect(shelf.extend()).toBe(1);
    shelf.put(1, { items: [7] }, String);
    expect([shelf.count, shelf.at(0), shelf.next]).toEqual([1, 7, undefined]);
  });

  it('forgets rows far from the view but not where they stand', () => {
    const shelf = new Shelf<number>();
    for (let page = 0; page < 40; page += 1) {
      if (page > 0) shelf.extend();
      shelf.put(page, { items: [page], nextCursor: `c${page}` }, String);
    }
    shelf.forget(30, 31);
    expect([shelf.count, shelf.at(0), shelf.at(5), shelf.at(30)]).toEqual([40, 0, undefined, 30]);
  });

  it('takes changes in without moving what stands behind', () => {
    const key = (row: number) => String(Math.floor(row));
    const shelf = three();
    // A new row, one that has changed, one that is gone; the server looked less far than before.
    shelf.merge(0, { items: [9, 0.5], nextCursor: 'nearer' }, key);
    expect(rows(0, 9).map((index) => shelf.at(index))).toEqual([9, 0.5, 1, 2, 3, 4, 5, 6, 7]);
    shelf.merge(0, { items: [2], nextCursor: 'b' }, key);
    expect([shelf.count, shelf.at(0), shelf.at(1)]).toEqual([6, 2, 3]);
    shelf.merge(0, { items: [] , nextCursor: 'nearer' }, key);
    expect([shelf.count, shelf.at(0)]).toEqual([6, 2]);
    shelf.merge(0, { items: [8] }, key);
    expect([shelf.count, shelf.at(0), shelf.next]).toEqual([1, 8, undefined]);
  });

  it('shows the first row of a list that was empty as far as the server had looked', () => {
    const shelf = new Shelf<number>();
    shelf.put(0, { items: [], nextCursor: 'b' }, String);
    shelf.extend();
    shelf.put(1, { items: [] }, String);
    shelf.merge(0, { items: [1], nextCursor: 'c' }, String);
    expect([shelf.count, shelf.at(0)]).toEqual([1, 1]);
  });

  it('drops the pages behind one whose end has moved', () => {
    const shelf = three();
    shelf.put(0, { items: rows(-1, 3), nextCursor: 'elsewhere' }, String);
    expect([shelf.count, shelf.at(0), shelf.next]).toEqual([3, -1, 'elsewhere']);
  });

  it('reads a forgotten page up to where it ended, however far the server looks at a time', () => {
    const shelf = three();
    shelf.forget(90, 91);
    expect([shelf.at(3), shelf.reaches(1, [3], String), shelf.reaches(1, [3, 4], String)]).toEqual([undefined, false, true]);
    // The answer goes further than the page did; what stands behind stays.
    shelf.put(1, { items: [3, 4, 5], nextCursor: 'elsewhere' }, String);
    expect(rows(0, 9).map((index) => shelf.at(index))).toEqual([0, 1, 2, 3, 4, undefined, undefined, undefined, undefined]);
    expect([shelf.count, shelf.next]).toEqual([8, undefined]);
    // Its last row is gone: so is what was known of the rest.
    shelf.forget(90, 91);
    shelf.put(1, { items: [3, 5, 6], nextCursor: 'elsewhere' }, String);
    expect([shelf.count, shelf.next]).toEqual([6, 'elsewhere']);
  });
});
