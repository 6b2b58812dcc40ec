import { describe, expect, it } from 'vitest';
import { EVENTS_MAX, Gathered } from '../../src/live/batch';
import { SseReader } from '../../src/live/sse';
import { connectionWords } from '../../src/app-words';
import type { Event } from '../../src/api/types';

const event = (eventId: string): Event => ({ eventId, eventType: 'TASK_READY', jobId: null, taskId: 't', status: 'ready', timestamp: '' });

describe('the stream', () => {
  it('reads messages however they are cut', () => {
    const text = ': still here\n\nid: e1-0\ndata: {"a":1}\n\nevent: gap\ndata: {}\n\nid: e2-0\ndata: {"b"';
    for (let size = 1; size < text.length; size += 3) {
      const reader = new SseReader();
      const messages = [];
      for (let at = 0; at < text.length; at += size) messages.push(...reader.take(text.slice(at, at + size)));
      expect(messages).toEqual([{ id: 'e1-0', data: '{"a":1}' }, { event: 'gap', data: '{}' }]);
      expect(reader.take(':2}\n\n')).toEqual([{ id: 'e2-0', data: '{"b":2}' }]);
    }
  });

  it('tells listeners to read again instead of holding more than a bound', () => {
    const gathered = new Gathered();
    for (let index = 0; index < EVENTS_MAX; index += 1) gathered.add(event(`e${index}`));
    expect(gathered.take()?.resync).toBe(false);
    for (let index = 0; index <= EVENTS_MAX; index += 1) gathered.add(event(`e${index}`));
    const batch = gathered.take();
    expect([batch?.events.length, batch?.resync]).toEqual([EVENTS_MAX, true]);
    expect(gathered.take()).toBeNull();
  });

  it('says since when nothing was seen', () => {
    expect(connectionWords({ connection: 'lost', lastSeen: 1_000 }, 13_000)).toEqual(['red', 'disconnected, last seen 12 s ago']);
    expect(connectionWords({ connection: 'live', lastSeen: 1_000 }, 13_000)).toEqual(['green', 'live']);
  });
});
