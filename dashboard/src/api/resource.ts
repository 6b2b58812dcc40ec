// Reads of the API that stay fresh: read again when an event says that they may have changed, never in a loop.
import { useCallback, useEffect, useRef, useState } from 'react';
import type { Event } from '../api/types';
import { useBatches } from '../live/live';
import { get, Refusal } from './client';

/** Between two reads of the same thing, in milliseconds. */
const PAUSE_MS = 1_000;
/** Answers that are shown at once when a screen is opened again. */
const KEPT_MAX = 60;
const kept = new Map<string, unknown>();

function keep(path: string, data: unknown): void {
  kept.delete(path);
  kept.set(path, data);
  if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value ?? '');
}

export interface Resource<T> {
  data: T | undefined;
  error: Refusal | undefined;
  reload: () => void;
}

/** What took long is done more rarely: the pause is at least this many times as long as the last run took. */
const PAUSE_FOR_WORK = 3;

/** Runs `work` now or once the pause since its last run has passed; never twice at a time, never lost. */
export function usePaced(work: () => Promise<unknown>, pause = PAUSE_MS): () => void {
  const latest = useRef(work);
  latest.current = work;
  const state = useRef({ busy: false, again: false, timer: undefined as ReturnType<typeof setTimeout> | undefined });
  const run = useCallback(() => {
    const now = state.current;
    if (now.busy || now.timer !== undefined) {
      now.again = true;
      return;
    }
    now.busy = true;
    now.again = false;
    const started = performance.now();
    void latest.current().finally(() => {
      now.busy = false;
      now.timer = setTimeout(() => {
        now.timer = undefined;
        if (now.again) run();
      }, Math.max(pause, PAUSE_FOR_WORK * (performance.now() - started)));
    });
  }, [pause]);
  useEffect(() => {
    const now = state.current;
    return () => clearTimeout(now.timer);
  }, []);
  return run;
}

/**
 * What stands at a path. `affects` says which events make it stale; a `null` path reads nothing. `every` is for what
 * changes without an event, like the beats of nodes: milliseconds between two reads while somebody looks.
 */
export function useResource<T>(path: string | null, affects?: (event: Event) => boolean, every?: number): Resource<T> {
  const [state, setState] = useState<{ path: string | null; data?: T; error?: Refusal }>({ path: null });
  const wanted = useRef(path);
  wanted.current = path;
  const read = useCallback(async () => {
    const from = wanted.current;
    if (from === null) return;
    try {
      const data = await get<T>(from);
      keep(from, data);
      if (wanted.current === from) setState({ path: from, data });
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(0, 'unknown', String(error));
      if (wanted.current === from) setState((before) => ({ path: from, data: before.path === from ? before.data : undefined, error: refusal }));
    }
  }, []);
  const reload = usePaced(read);
  useEffect(() => {
    if (path !== null) void read();
  }, [path, read]);
  useBatches((batch) => {
    if (path !== null && (batch.resync || (affects && batch.events.some(affects)))) reload();
  });
  useEffect(() => {
    if (every === undefined) return;
    const timer = setInterval(() => document.visibilityState === 'visible' && reload(), every);
    return () => clearInterval(timer);
  }, [every, reload]);
  const known = path === null ? undefined : (kept.get(path) as T | undefined);
  const own = state.path === path ? state : undefined;
  return { data: own?.data ?? known, error: own?.error, reload };
}
