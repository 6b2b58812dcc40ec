// Every state: its word, its colour, its icon. The one place where colours get a meaning.
import type { IconName } from './parts/icons';

export type Tone = 'green' | 'red' | 'blue' | 'amber' | 'violet' | 'teal' | 'grey';

export interface StateLook {
  tone: Tone;
  icon: IconName;
}

const LOOKS: Record<string, StateLook> = {
  pending: { tone: 'grey', icon: 'pending' },
  scheduled: { tone: 'violet', icon: 'scheduled' },
  waiting: { tone: 'amber', icon: 'waiting' },
  ready: { tone: 'teal', icon: 'ready' },
  running: { tone: 'blue', icon: 'running' },
  completed: { tone: 'green', icon: 'completed' },
  failed: { tone: 'red', icon: 'failed' },
  cancelled: { tone: 'grey', icon: 'cancelled' },
  skipped: { tone: 'grey', icon: 'skipped' },
  paused: { tone: 'amber', icon: 'paused' },
  // Outcomes of attempts, and words of events.
  success: { tone: 'green', icon: 'completed' },
  failure: { tone: 'red', icon: 'failed' },
  timeout: { tone: 'red', icon: 'scheduled' },
  lost: { tone: 'amber', icon: 'lost' },
  snoozed: { tone: 'violet', icon: 'scheduled' },
  interrupted: { tone: 'grey', icon: 'cancelled' },
  submitted: { tone: 'grey', icon: 'pending' },
  resumed: { tone: 'teal', icon: 'ready' },
  joined: { tone: 'teal', icon: 'ready' },
  left: { tone: 'grey', icon: 'skipped' },
  // What a worker was told.
  run: { tone: 'green', icon: 'completed' },
  pause: { tone: 'amber', icon: 'paused' },
  finished: { tone: 'grey', icon: 'completed' },
  // How nodes and checks are.
  alive: { tone: 'green', icon: 'completed' },
  silent: { tone: 'red', icon: 'lost' },
  well: { tone: 'green', icon: 'completed' },
  ill: { tone: 'red', icon: 'failed' },
  drain: { tone: 'violet', icon: 'waiting' },
};

export const TASK_STATES = ['pending', 'scheduled', 'waiting', 'ready', 'running', 'completed', 'failed', 'cancelled', 'skipped'];
export const JOB_STATES = ['pending', 'running', 'paused', 'completed', 'failed', 'cancelled'];
const TERMINAL = new Set(['completed', 'failed', 'cancelled', 'skipped']);

export function look(state: string): StateLook {
  return LOOKS[state] ?? { tone: 'grey', icon: 'pending' };
}

export function isTerminal(state: string): boolean {
  return TERMINAL.has(state);
}

/** The state of a task after an event; `undefined` for events that say nothing of it. */
export function stateAfter(eventType: string): string | undefined {
  return AFTER[eventType];
}

const AFTER: Record<string, string> = {
  TASK_READY: 'ready',
  TASK_STARTED: 'running',
  TASK_PROGRESS: 'running',
  TASK_COMPLETE: 'completed',
  TASK_RETRY: 'scheduled',
  TASK_DEAD: 'failed',
  TASK_CANCELLED: 'cancelled',
  TASK_SKIPPED: 'skipped',
};
