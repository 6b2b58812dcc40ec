// The one stream of events of this browser: connects, resumes, slows the server down when nobody keeps up, and tells
// every listener. It runs in a shared worker where there is one, else in the page.
import type { Event, Stats } from '../api/types';
import { EVENTS_MAX, Gathered, type Batch } from './batch';
import { SseReader, type Message } from './sse';

export type Connection = 'connecting' | 'live' | 'lost' | 'resting';
export type ToListener =
  | { kind: 'batch'; batch: Batch }
  | { kind: 'stats'; stats: Stats }
  | { kind: 'connection'; connection: Connection; lastSeen: number };
export type FromListener = { kind: 'ack' } | { kind: 'leave' } | { kind: 'visible'; visible: boolean };

/** Between two flushes, in milliseconds. */
const FLUSH_MS = 250;
/** Between two looks at the counters. */
const STATS_MS = 1_000;
/** The server breaks its silence every 15 seconds; after this long the connection is taken for dead. */
const SILENCE_MS = 40_000;
/** How long nobody must look before the stream is closed. */
const REST_AFTER_MS = 10_000;
/** Batches that a listener may owe an answer for. */
const UNANSWERED_MAX = 3;
/** Events of before that a fresh stream starts with, so that somebody who comes sees what went before. */
const BACK = 300;
/** Full batches in a row after which the stream jumps to the present. */
const FULL_MAX = 12;

interface Listener {
  send: (message: ToListener) => void;
  unanswered: number;
  missed: boolean;
  visible: boolean;
}

export class Engine {
  private readonly listeners = new Set<Listener>();
  private readonly gathered = new Gathered();
  private connection: Connection = 'connecting';
  private lastSeen = 0;
  private lastId = '';
  /** Nothing was read yet: what went before is of interest. Later it would be a flood once more. */
  private fresh = true;
  private stats: Stats | undefined;
  private statsWanted = false;
  private statsAt = 0;
  private failures = 0;
  private full = 0;
  private current: AbortController | undefined;
  private resting: ReturnType<typeof setTimeout> | undefined;
  private drained: (() => void) | undefined;

  constructor() {
    setInterval(() => this.flush(), FLUSH_MS);
  }

  /** Adds a listener; gives back how it answers. */
  join(send: (message: ToListener) => void): (message: FromListener) => void {
    const listener: Listener = { send, unanswered: 0, missed: false, visible: true };
    this.listeners.add(listener);
    send({ kind: 'connection', connection: this.connection, lastSeen: this.lastSeen });
    if (this.stats) send({ kind: 'stats', stats: this.stats });
    this.wake();
    return (message) => {
      if (message.kind === 'ack') this.acknowledged(listener);
      if (message.kind === 'leave') this.listeners.delete(listener);
      if (message.kind === 'visible') listener.visible = message.visible;
      if (message.kind !== 'ack') this.wake();
    };
  }

  private acknowledged(listener: Listener): void {
    listener.unanswered -= 1;
    if (listener.missed && listener.unanswered < UNANSWERED_MAX) {
      listener.missed = false;
      this.give(listener, { events: [], resync: true });
    }
  }

  /** Opens or closes the stream by whether anybody looks. */
  private wake(): void {
    const watched = [...this.listeners].some((listener) => listener.visible);
    clearTimeout(this.resting);
    if (watched) {
      if (!this.current) void this.run();
    } else if (this.current) {
      this.resting = setTimeout(() => {
        this.current?.abort();
        this.current = undefined;
        this.become('resting');
      }, REST_AFTER_MS);
    }
  }

  private become(connection: Connection): void {
    if (connection === this.connection) return;
    this.connection = connection;
    for (const { send } of this.listeners) send({ kind: 'connection', connection, lastSeen: this.lastSeen });
  }

  /** Connects again and again until it is told to rest. */
  private async run(): Promise<void> {
    const control = new AbortController();
    this.current = control;
    while (!control.signal.aborted) {
      const attempt = new AbortController();
      const stop = () => attempt.abort();
      control.signal.addEventListener('abort', stop);
      try {
        await this.follow(attempt);
      } catch {
        // Said by the state below; the reason is the network's.
      }
      control.signal.removeEventListener('abort', stop);
      if (control.signal.aborted) return;
      this.become('lost');
      this.failures += 1;
      const wait = Math.min(10_000, 400 * 2 ** Math.min(this.failures, 5)) * (0.6 + Math.random() * 0.4);
      await new Promise((done) => setTimeout(done, wait));
    }
  }

  private async follow(attempt: AbortController): Promise<void> {
    let silence: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      this.lastSeen = Date.now();
      clearTimeout(silence);
      silence = setTimeout(() => attempt.abort(), SILENCE_MS);
    };
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      if (this.lastId) headers['Last-Event-ID'] = this.lastId;
      alive();
      const response = await fetch(this.fresh ? `/api/v1/events?back=${BACK}` : '/api/v1/events', { headers, signal: attempt.signal, cache: 'no-store' });
      if (!response.ok || !response.body) {
        // An id that the server does not know any more: start from the present.
        if (response.status === 400) this.lose();
        throw new Error(`answered ${response.status}`);
      }
      this.failures = 0;
      this.fresh = false;
      // Without an id to go on from, what happened in between is unknown.
      if (!this.lastId) this.gathered.lose();
      this.statsWanted = true;
      this.become('live');
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new SseReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        alive();
        for (const message of parser.take(value)) this.take(message);
        // Not reading on is what slows the server down.
        if (this.gathered.size >= EVENTS_MAX) await new Promise<void>((resume) => (this.drained = resume));
        if (this.full >= FULL_MAX) {
          this.full = 0;
          this.lose();
          attempt.abort();
          return;
        }
      }
    } finally {
      clearTimeout(silence);
    }
  }

  private lose(): void {
    this.lastId = '';
    this.gathered.lose();
  }

  private take(message: Message): void {
    if (message.event === 'gap') this.gathered.lose();
    if (message.id === undefined) return;
    this.lastId = message.id;
    this.gathered.add(JSON.parse(message.data) as Event);
  }

  private flush(): void {
    this.full = this.gathered.size >= EVENTS_MAX ? this.full + 1 : 0;
    const batch = this.gathered.take();
    this.drained?.();
    this.drained = undefined;
    if (batch) {
      this.statsWanted = true;
      for (const listener of this.listeners) this.give(listener, batch);
    }
    if (this.statsWanted && this.connection === 'live' && Date.now() - this.statsAt >= STATS_MS) void this.readStats();
  }

  private give(listener: Listener, batch: Batch): void {
    if (listener.unanswered >= UNANSWERED_MAX) {
      listener.missed = true;
      return;
    }
    listener.unanswered += 1;
    listener.send({ kind: 'batch', batch });
  }

  private async readStats(): Promise<void> {
    this.statsWanted = false;
    this.statsAt = Date.now();
    try {
      const response = await fetch('/api/v1/stats', { headers: { Accept: 'application/json' } });
      if (!response.ok) return;
      const stats = (await response.json()) as Stats;
      this.stats = stats;
      for (const { send } of this.listeners) send({ kind: 'stats', stats });
    } catch {
      // The next event asks again.
    }
  }
}
