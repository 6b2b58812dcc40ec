// Points of a course, as many as a chart has room for.
import type { HistoryPoint } from '../api/types';

/** Neighbouring points put together, so that an hour has as many bars as fit. */
export function gathered(points: HistoryPoint[], bars: number): HistoryPoint[][] {
  const each = Math.max(1, Math.ceil(points.length / bars));
  const groups: HistoryPoint[][] = [];
  for (let end = points.length; end > 0; end -= each) groups.unshift(points.slice(Math.max(0, end - each), end));
  return groups;
}
