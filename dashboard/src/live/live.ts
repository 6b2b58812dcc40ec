// The page's end of the stream: what was told last, and who wants to hear of which events.
import { useEffect, useRef, useSyncExternalStore } from 'react';
import type { Event, Stats } from '../api/types';
import type { Batch } from './batch';
import { Engine, type Connection, type FromListener, type ToListener } from './engine';

/** Events that a page remembers, newest first. */
const RECENT_MAX = 1_000;

export interface Live {
  connection: Connection;
  lastSeen: number;
  stats: Stats | undefined;
  recent: Event[];
}

let live: Live = { connection: 'connecting', lastSeen: 0, stats: undefined, recent: [] };
const watchers = new Set<() => void>();
const hearers = new Set<(batch: Batch) => void>();
let answer: ((message: FromListener) => void) | undefined;

function change(to: Partial<Live>): void {
  live = { ...live, ...to };
  watchers.forEach((each) => each());
}

function hear(message: ToListener): void {
  if (message.kind === 'connection') change({ connection: message.connection, lastSeen: message.lastSeen });
  if (message.kind === 'stats') change({ stats: message.stats });
  if (message.kind === 'batch') {
    const { batch } = message;
    if (batch.events.length > 0) change({ recent: [...batch.events.toReversed(), ...live.recent].slice(0, RECENT_MAX) });
    hearers.forEach((each) => each(batch));
    // Only now may more come: a page that cannot keep up is told less.
    setTimeout(() => answer?.({ kind: 'ack' }), 0);
  }
}

/** Joins the stream: through the shared worker, or in this page where there is none. */
export function start(): void {
  if (answer) return;
  if (typeof SharedWorker === 'function') {
    const worker = new SharedWorker(new URL('./shared.worker.ts', import.meta.url), { type: 'module', name: 'mainspring' });
    worker.port.onmessage = (message: MessageEvent<ToListener>) => hear(message.data);
    worker.port.start();
    answer = (message) => worker.port.postMessage(message);
  } else {
    answer = new Engine().join(hear);
  }
  const tell = answer;
  const seen = () => tell({ kind: 'visible', visible: document.visibilityState === 'visible' });
  document.addEventListener('visibilitychange', seen);
  window.addEventListener('pagehide', () => tell({ kind: 'leave' }));
  window.addEventListener('pageshow', (event) => {
    // Back from the cache of whole pages: this page had left.
    if (event.persisted) location.reload();
  });
  seen();
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function useLive<T>(select: (live: Live) => T): T {
  return useSyncExternalStore(watch, () => select(live));
}

/** Calls `hear` with every batch while the component is shown. */
export function useBatches(onBatch: (batch: Batch) => void): void {
  const latest = useRef(onBatch);
  latest.current = onBatch;
  useEffect(() => {
    const each = (batch: Batch) => latest.current(batch);
    hearers.add(each);
    return () => {
      hearers.delete(each);
    };
  }, []);
}
