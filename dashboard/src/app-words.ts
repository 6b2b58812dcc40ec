// The state of the connection in words.
import type { Connection } from './live/engine';
import type { Tone } from './states';

/** What the connection is, in words. */
export function connectionWords({ connection, lastSeen }: { connection: Connection; lastSeen: number }, now: number): [Tone, string] {
  const ago = lastSeen === 0 ? 'never' : `${Math.max(0, Math.round((now - lastSeen) / 1_000))} s ago`;
  if (connection === 'live') return ['green', 'live'];
  if (connection === 'lost') return ['red', `disconnected, last seen ${ago}`];
  if (connection === 'resting') return ['grey', 'resting'];
  return ['amber', 'connecting'];
}
