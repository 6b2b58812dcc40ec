// Attempts as rows of a timeline.
import type { Attempt } from '../api/types';

export interface Lane {
  taskId: string;
  attempts: Attempt[];
  start: number;
  end: number | undefined;
}

/** Attempts by task, in the order in which they started. */
export function lanes(attempts: Attempt[]): Lane[] {
  const byTask = new Map<string, Lane>();
  for (const attempt of attempts) {
    const start = Date.parse(attempt.startTime);
    const end = attempt.endTime ? Date.parse(attempt.endTime) : undefined;
    const lane = byTask.get(attempt.taskId);
    if (lane) {
      lane.attempts.push(attempt);
      lane.start = Math.min(lane.start, start);
      lane.end = end === undefined || lane.end === undefined ? undefined : Math.max(lane.end, end);
    } else {
      byTask.set(attempt.taskId, { taskId: attempt.taskId, attempts: [attempt], start, end });
    }
  }
  return [...byTask.values()].sort((a, b) => a.start - b.start || a.taskId.localeCompare(b.taskId, 'en', { numeric: true }));
}
