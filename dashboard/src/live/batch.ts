// Events gathered between two flushes, bounded: beyond the bound a listener is told to read again instead.
import type { Event } from '../api/types';

/** Events that one flush carries at most. */
export const EVENTS_MAX = 1_000;

/** What listeners get, a few times a second. */
export interface Batch {
  events: Event[];
  /** Events were left out, or are gone on the server: read everything again. */
  resync: boolean;
}

export class Gathered {
  private events: Event[] = [];
  private resync = false;

  get size(): number {
    return this.events.length;
  }

  add(event: Event): void {
    if (this.events.length < EVENTS_MAX) this.events.push(event);
    else this.resync = true;
  }

  lose(): void {
    this.resync = true;
  }

  /** What was gathered since the last time; `null` if nothing was. */
  take(): Batch | null {
    if (this.events.length === 0 && !this.resync) return null;
    const batch = { events: this.events, resync: this.resync };
    this.events = [];
    this.resync = false;
    return batch;
  }
}
