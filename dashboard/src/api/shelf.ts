// Pages of a list that were read, and where a row stands among them.
import type { Page } from './types';

/** Pages that are remembered around the rows in view. */
const PAGES_KEPT = 12;
/** Rows to which a page may grow by rows that came. */
const MERGED_MAX = 1_000;

interface Held<T> {
  cursor: string;
  count: number;
  /** `undefined`: forgotten, or not read yet. */
  items: T[] | undefined;
  /** The key of its last row, by which it is known where it ended. */
  lastKey?: string;
}

/** Pages of a list with what is needed to find a row. */
export class Shelf<T> {
  pages: Held<T>[] = [{ cursor: '', count: 0, items: undefined }];
  next: string | undefined = '';

  get count(): number {
    return this.pages.reduce((total, page) => total + page.count, 0);
  }

  /** The page that holds a row, and the row's place in it. */
  find(index: number): [number, number] {
    let before = 0;
    for (const [number, page] of this.pages.entries()) {
      if (index < before + page.count) return [number, index - before];
      before += page.count;
    }
    const last = this.pages.length - 1;
    return [last, this.pages[last]?.count ?? 0];
  }

  at(index: number): T | undefined {
    const [number, place] = this.find(index);
    return this.pages[number]?.items?.[place];
  }

  /** Whether rows that were read for a page go as far as it went before. A server may look less far than it did. */
  reaches(number: number, rows: T[], keyOf: (row: T) => string): boolean {
    const page = this.pages[number];
    return page?.lastKey === undefined || rows.length >= page.count || rows.some((row) => keyOf(row) === page.lastKey);
  }

  /** Puts an answer in the place of the page that it was asked for. */
  put(number: number, answer: Page<T>, keyOf: (row: T) => string): void {
    const page = this.pages[number];
    if (!page) return;
    const following = this.pages[number + 1];
    const end = answer.items.findIndex((row) => keyOf(row) === page.lastKey);
    this.fill(page, following && end >= 0 ? answer.items.slice(0, end + 1) : answer.items, keyOf);
    if (!following) this.next = answer.nextCursor;
    // It ends where it did: what stands behind is right.
    if (end >= 0) return;
    // New rows at the start push old ones over: what follows starts elsewhere now, and is read again.
    if (following && following.cursor !== answer.nextCursor) {
      this.pages.length = number + 1;
      this.next = answer.nextCursor;
    }
  }

  private fill(page: Held<T>, rows: T[], keyOf: (row: T) => string): void {
    page.items = rows;
    page.count = rows.length;
    const last = rows.at(-1);
    page.lastKey = last === undefined ? undefined : keyOf(last);
  }

  /**
   * Brings a page that is shown up to date without moving its end: where a page ends depends on how far the server looked,
   * and rows behind must not jump. Rows that the answer has replace theirs, those that it passed over are gone.
   */
  merge(number: number, answer: Page<T>, keyOf: (row: T) => string): void {
    const page = this.pages[number];
    if (!page?.items || answer.nextCursor === undefined) {
      this.put(number, answer, keyOf);
      return;
    }
    const known = new Set(answer.items.map(keyOf));
    const last = answer.items.at(-1);
    const end = last === undefined ? -1 : page.items.findIndex((row) => keyOf(row) === keyOf(last));
    // Nothing but new rows, and more of them than a page: what was shown before is far away now.
    const isFar = last !== undefined && end < 0 && answer.items.length >= page.items.length && page.items.length > 0;
    const merged = [...answer.items, ...page.items.slice(end + 1).filter((row) => !known.has(keyOf(row)))];
    if (isFar || merged.length > MERGED_MAX) {
      this.put(number, answer, keyOf);
      return;
    }
    this.fill(page, merged, keyOf);
  }

  /** Adds an empty page behind the last one; its number, or `null` at the end of the list. */
  extend(): number | null {
    if (this.next === undefined || this.next === '') return null;
    this.pages.push({ cursor: this.next, count: 0, items: undefined });
    return this.pages.length - 1;
  }

  /** Forgets the rows of pages far from those in view. */
  forget(first: number, last: number): void {
    for (const [number, page] of this.pages.entries()) {
      const far = number < first - PAGES_KEPT / 2 || number > last + PAGES_KEPT / 2;
      if (far && number > 0) page.items = undefined;
    }
  }
}
