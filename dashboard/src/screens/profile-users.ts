// Which definitions name a profile, and where.
import type { Definition } from '../api/types';

export interface ProfileUser {
  definition: Definition;
  /** The tasks that name it; empty if the definition as a whole does. */
  tasks: string[];
}

type Body = { profile?: unknown; defaults?: { profile?: unknown }; tasks?: unknown };

function namesIt(value: unknown, profile: string): boolean {
  return typeof value === 'object' && value !== null && (value as Body).profile === profile;
}

/** Tasks of a job's body, by name, whether they stand in a list or by their names. */
function tasksOf(tasks: unknown): [string, unknown][] {
  if (Array.isArray(tasks)) return tasks.map((task, place) => [(task as { taskId?: string } | null)?.taskId ?? String(place), task]);
  return typeof tasks === 'object' && tasks !== null ? Object.entries(tasks) : [];
}

export function usersOf(profile: string, definitions: Definition[]): ProfileUser[] {
  return definitions.flatMap((definition) => {
    const body = (definition.body ?? {}) as Body;
    const tasks = tasksOf(body.tasks).filter(([, task]) => namesIt(task, profile)).map(([name]) => name);
    const isWhole = namesIt(body, profile) || namesIt(body.defaults, profile);
    return isWhole ? [{ definition, tasks: [] }] : tasks.length > 0 ? [{ definition, tasks }] : [];
  });
}
