// A list by cursors that may have a million rows: pages are read as they come into view, and forgotten far from it.
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { Event, Page } from './types';
import { useBatches } from '../live/live';
import { get, Refusal } from './client';
import { usePaced } from './resource';
import { Shelf } from './shelf';

/** Rows of a page. */
export const PAGE_ROWS = 200;
/** So many pages with few rows are a search for what is seldom. */
const SPARSE_PAGES = 4;
export interface Pages<T> {
  /** Rows that are known of. */
  count: number;
  at: (index: number) => T | undefined;
  /** Whether there are more rows behind those that are known of. */
  more: boolean;
  loading: boolean;
  /** Whether it looks further and further back for what is seldom: pages came with few rows or none. */
  seeking: boolean;
  error: Refusal | undefined;
  /** To be told which rows are in view. */
  show: (first: number, last: number) => void;
  reload: () => void;
  /** How often anything was read: changes when rows may have. */
  version: number;
}

/** The list at a path (with its filters). `affects` says which events may change it. */
export function usePages<T>(path: string, keyOf: (row: T) => string, affects?: (event: Event) => boolean): Pages<T> {
  const shelf = useMemo(() => new Shelf<T>(), [path]);
  const [version, setVersion] = useState(0);
  const [error, setError] = useState<Refusal | undefined>();
  const busy = useRef(new Set<number>());
  const current = useRef(shelf);
  current.current = shelf;
  const view = useRef<[number, number]>([0, 0]);
  const latestKey = useRef(keyOf);
  latestKey.current = keyOf;

  const read = useCallback(
    async (number: number, again = false) => {
      const page = shelf.pages[number];
      if (!page || (busy.current.has(number) && current.current === shelf)) return;
      busy.current.add(number);
      try {
        const glue = path.includes('?') ? '&' : '?';
        const cursor = page.cursor && `&cursor=${encodeURIComponent(page.cursor)}`;
        let answer = await get<Page<T>>(`${path}${glue}limit=${PAGE_ROWS}${cursor}`);
        // A page that was forgotten is read up to where it ended, also by a server that looks less far at a time.
        while (!again && answer.nextCursor !== undefined && current.current === shelf && !shelf.reaches(number, answer.items, latestKey.current)) {
          const more = await get<Page<T>>(`${path}${glue}limit=${PAGE_ROWS}&cursor=${encodeURIComponent(answer.nextCursor)}`);
          answer = { items: [...answer.items, ...more.items], nextCursor: more.nextCursor };
        }
        if (current.current !== shelf) return;
        if (again) shelf.merge(number, answer, latestKey.current);
        else shelf.put(number, answer, latestKey.current);
        setError(undefined);
      } catch (reason) {
        if (current.current === shelf) setError(reason instanceof Refusal ? reason : new Refusal(0, 'unknown', String(reason)));
      } finally {
        busy.current.delete(number);
        if (current.current === shelf) setVersion((before) => before + 1);
      }
    },
    [path, shelf],
  );

  const fill = useCallback(async () => {
    const [first, last] = [shelf.find(view.current[0])[0], shelf.find(view.current[1])[0]];
    const wanted = [];
    for (let number = first; number <= last; number += 1) if (!shelf.pages[number]?.items) wanted.push(number);
    // Half a page ahead of the end, the next one is read.
    if (view.current[1] > shelf.count - PAGE_ROWS / 2 && shelf.pages.at(-1)?.items && busy.current.size === 0) {
      const added = shelf.extend();
      if (added !== null) wanted.push(added);
    }
    shelf.forget(first, last);
    await Promise.all(wanted.map((number) => read(number)));
  }, [shelf, read]);

  useEffect(() => {
    view.current = [0, 0];
    busy.current.clear();
    setError(undefined);
    void read(0);
  }, [read]);

  const refresh = usePaced(async () => {
    const [first, last] = [shelf.find(view.current[0])[0], shelf.find(view.current[1])[0]];
    // New rows come at the start, which an empty list is at as well.
    const numbers = new Set(view.current[0] === 0 ? [0, first, last] : [first, last]);
    await Promise.all([...numbers].map((number) => read(number, true)));
  }, 1_500);
  useBatches((batch) => {
    if (batch.resync || (affects && batch.events.some(affects))) refresh();
  });

  const show = useCallback(
    (first: number, last: number) => {
      view.current = [first, last];
      void fill();
    },
    [fill],
  );
  // A search stops at its budget: pages without a row say nothing before the last one has come.
  const searching = shelf.count === 0 && (shelf.pages.at(-1)?.items === undefined || Boolean(shelf.next));
  const loading = searching && !error;
  const seeking = Boolean(shelf.next) && !error && shelf.pages.length > SPARSE_PAGES && shelf.count < (shelf.pages.length * PAGE_ROWS) / 4;
  return { count: shelf.count, at: (index) => shelf.at(index), more: Boolean(shelf.next), loading, seeking, error, show, reload: refresh, version };
}
