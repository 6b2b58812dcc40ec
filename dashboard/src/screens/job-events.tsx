// What happened to a job from its submission on: what is kept is read once, what comes arrives by the stream.
import { useEffect, useMemo, useState } from 'react';
import type { Event } from '../api/types';
import { quoted } from '../format';
import { useBatches } from '../live/live';
import { SseReader } from '../live/sse';
import { EventTable } from './events';

/** Events that are shown of one job, the newest. */
const SHOWN_MAX = 20_000;
/** Silence after which everything that was kept has been read. */
const SILENCE_MS = 700;

/** Reads a job's events until there are no more for now. */
async function readKept(id: string, signal: AbortSignal, each: (events: Event[]) => void): Promise<void> {
  const quiet = new AbortController();
  signal.addEventListener('abort', () => quiet.abort());
  const response = await fetch(`/api/v1/jobs/${encodeURIComponent(id)}/events`, { headers: { Accept: 'text/event-stream' }, signal: quiet.signal });
  if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new SseReader();
  let timer = setTimeout(() => quiet.abort(), 2 * SILENCE_MS);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => quiet.abort(), SILENCE_MS);
      const messages = parser.take(value);
      each(messages.filter((message) => message.id !== undefined).map((message) => JSON.parse(message.data) as Event));
      if (messages.some((message) => message.event === 'end')) return;
    }
  } catch (error) {
    if (!quiet.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    quiet.abort();
  }
}

/** Two runs of events put together, each event once, newest first. */
export function merged(older: Event[], newer: Event[]): Event[] {
  const known = new Set(older.map((event) => event.eventId));
  return [...newer.filter((event) => !known.has(event.eventId)), ...older].slice(0, SHOWN_MAX);
}

/** Between two looks at what was read so far, in milliseconds: a job of many tasks has hundreds of thousands of events. */
const SHOW_MS = 300;

export function EventsOfJob({ id }: { id: string }) {
  const [kept, setKept] = useState<Event[]>([]);
  const [heard, setHeard] = useState<Event[]>([]);
  const [reading, setReading] = useState(true);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    let read: Event[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = () => {
      timer = undefined;
      setKept(read.slice(-SHOWN_MAX).reverse());
    };
    const take = (more: Event[]) => {
      for (const event of more) read.push(event);
      if (read.length > 2 * SHOWN_MAX) read = read.slice(-SHOWN_MAX);
      timer ??= setTimeout(show, SHOW_MS);
    };
    const done = () => {
      clearTimeout(timer);
      if (control.signal.aborted) return;
      show();
      setReading(false);
    };
    void readKept(id, control.signal, take).catch(() => undefined).finally(done);
    return () => {
      control.abort();
      clearTimeout(timer);
    };
  }, [id, round]);
  useBatches((batch) => {
    const mine = batch.events.filter((event) => event.jobId === id).toReversed();
    if (mine.length > 0) setHeard((before) => merged(before, mine));
    if (batch.resync) setRound((before) => before + 1);
  });
  const events = useMemo(() => merged(kept, heard), [kept, heard]);
  return <EventTable events={events} reading={reading} label={`Events of ${id}`} line={`mainspring jobs events ${quoted(id)}`} withJob={false} />;
}
