// Events on a picture that is drawn already.
import type { LaidOutNode } from '../api/types';
import { isTerminal, stateAfter } from '../states';

type Happening = { eventType: string; taskId: string | null; timestamp: string; attempt?: number };

/** Brings nodes up to date with events; which of them changed. */
export function patch(events: Happening[], nodes: LaidOutNode[], ids: Map<string, number>): number[] {
  const changed = new Set<number>();
  for (const event of events) {
    const state = stateAfter(event.eventType);
    const place = event.taskId === null ? undefined : ids.get(event.taskId);
    const node = place === undefined ? undefined : nodes[place];
    if (!state || !node || place === undefined) continue;
    if (event.eventType === 'TASK_STARTED') {
      node.startTime = event.timestamp;
      node.attempt = event.attempt ?? node.attempt;
    }
    if (isTerminal(state)) node.endTime = event.timestamp;
    else delete node.endTime;
    if (node.status !== state) {
      node.status = state;
      changed.add(place);
    }
  }
  return [...changed];
}
