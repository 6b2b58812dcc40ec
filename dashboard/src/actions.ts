// What a person can do, each with its call, its command and its way back. The one list that screens and palette share.
import { call, taskPath } from './api/client';
import type { Bulk } from './api/types';
import { number, quoted } from './format';
import type { Action } from './parts/dialog';

const post = (path: string, body?: unknown) => call('POST', path, body);
const job = (id: string, verb: string) => `/api/v1/jobs/${encodeURIComponent(id)}/${verb}`;

export function cancelJob(id: string, after?: () => void): Action {
  return {
    title: `Cancel job ${id}?`,
    verb: 'Cancel job',
    about: 'Running attempts are told to stop; what has not started never will. It can be rerun later.',
    danger: true,
    line: `mainspring jobs cancel ${quoted(id)} --yes`,
    run: () => post(job(id, 'cancel')),
    done: () => `Job ${id} is being cancelled`,
    after,
  };
}

export function pauseJob(id: string, after?: () => void): Action {
  return {
    title: `Pause job ${id}`,
    verb: 'Pause',
    line: `mainspring jobs pause ${quoted(id)} --yes`,
    run: () => post(job(id, 'pause')),
    done: () => `Job ${id} is paused: what runs goes on, nothing new starts`,
    undo: () => post(job(id, 'resume')),
    after,
  };
}

export function resumeJob(id: string, after?: () => void): Action {
  return {
    title: `Resume job ${id}`,
    verb: 'Resume',
    line: `mainspring jobs resume ${quoted(id)} --yes`,
    run: () => post(job(id, 'resume')),
    done: () => `Job ${id} goes on`,
    undo: () => post(job(id, 'pause')),
    after,
  };
}

export function rerunJob(id: string, from: 'failed' | 'start', after?: () => void): Action {
  return {
    title: from === 'failed' ? `Rerun job ${id} from what failed?` : `Rerun all of job ${id}?`,
    verb: from === 'failed' ? 'Rerun from failed' : 'Rerun all',
    about: from === 'failed' ? 'Failed and cancelled tasks run again, with all that depends on them. What completed stays.' : 'Every task runs again, completed ones too.',
    line: `mainspring jobs rerun ${quoted(id)} --from ${from} --yes`,
    run: () => post(job(id, 'rerun'), { from }),
    done: () => `Job ${id} runs again`,
    after,
  };
}

export function rerunFromTask(id: string, taskId: string, after?: () => void): Action {
  return {
    title: `Rerun job ${id} from ${taskId}?`,
    verb: 'Rerun from here',
    about: `${taskId} and all that depends on it run again.`,
    line: `mainspring jobs rerun ${quoted(id)} --from ${quoted(taskId)} --yes`,
    run: () => post(job(id, 'rerun'), { from: 'task', taskId }),
    done: () => `Job ${id} runs again from ${taskId}`,
    after,
  };
}

const fullId = (taskId: string, jobId?: string | null) => (jobId ? `${jobId}/${taskId}` : taskId);

export function cancelTask(taskId: string, jobId: string | null, after?: () => void): Action {
  const id = fullId(taskId, jobId);
  return {
    title: `Cancel task ${taskId}?`,
    verb: 'Cancel task',
    about: 'A running attempt is told to stop. What depends on the task follows its trigger rules.',
    danger: true,
    line: `mainspring tasks cancel ${quoted(id)} --yes`,
    run: () => post(`${taskPath(taskId, jobId)}/cancel`),
    done: () => `Task ${taskId} is cancelled`,
    after,
  };
}

export function retryTask(taskId: string, jobId: string | null, ended: boolean, after?: () => void): Action {
  const id = fullId(taskId, jobId);
  return {
    title: ended ? `Run task ${taskId} again?` : `Run task ${taskId} now?`,
    verb: ended ? 'Run again' : 'Run now',
    about: ended ? 'A new generation starts; earlier attempts stay in its history.' : 'It does not wait for its time any more.',
    line: `mainspring tasks retry ${quoted(id)} --yes`,
    run: () => post(`${taskPath(taskId, jobId)}/retry`),
    done: () => `Task ${taskId} is ready`,
    after,
  };
}

/** An answer to a task that waits for an approval. */
export function answer(taskId: string, jobId: string | null, approved: boolean, comment: string, after?: () => void): Action {
  const id = fullId(taskId, jobId);
  const verb = approved ? 'Approve' : 'Refuse';
  return {
    title: `${verb} ${taskId}?`,
    verb,
    about: approved ? 'The task completes; your answer and comment are its output, and what needs it goes on.' : 'The task fails, is not retried, and what needs it follows its trigger rules.',
    danger: !approved,
    line: `mainspring tasks ${approved ? 'approve' : 'refuse'} ${quoted(id)}${comment && ` --comment ${quoted(comment)}`}`,
    run: () => post(`${taskPath(taskId, jobId)}/signal`, { approved, ...(comment && { comment }) }),
    done: () => (approved ? `${taskId} is approved` : `${taskId} is refused`),
    after,
  };
}

export function pauseQueue(name: string, paused: boolean, after?: () => void): Action {
  const verb = paused ? 'pause' : 'resume';
  const path = (word: string) => `/api/v1/queues/${encodeURIComponent(name)}/${word}`;
  return {
    title: `${paused ? 'Pause' : 'Resume'} queue ${name}`,
    verb: paused ? 'Pause' : 'Resume',
    line: `mainspring queues ${verb} ${quoted(name)}`,
    run: () => post(path(verb)),
    done: () => (paused ? `Queue ${name} is paused: nothing new is granted from it` : `Queue ${name} is granted from again`),
    undo: () => post(path(paused ? 'resume' : 'pause')),
    after,
  };
}

const schedule = (name: string, verb = '') => `/api/v1/schedules/${encodeURIComponent(name)}${verb && `/${verb}`}`;

export function pauseSchedule(name: string, paused: boolean, after?: () => void): Action {
  const verb = paused ? 'pause' : 'resume';
  return {
    title: `${paused ? 'Pause' : 'Resume'} schedule ${name}`,
    verb: paused ? 'Pause' : 'Resume',
    line: `mainspring schedules ${verb} ${quoted(name)}`,
    run: () => post(schedule(name, verb), {}),
    done: () => (paused ? `Schedule ${name} is paused: nothing is due until it is resumed` : `Schedule ${name} is due again`),
    undo: () => post(schedule(name, paused ? 'resume' : 'pause'), {}),
    after,
  };
}

export function triggerSchedule(name: string, after?: () => void): Action {
  return {
    title: `Run ${name} now?`,
    verb: 'Run now',
    about: 'Its work is submitted once more, beside what is due by time.',
    line: `mainspring schedules trigger ${quoted(name)}`,
    run: () => post(schedule(name, 'trigger'), {}),
    done: () => `Schedule ${name} has submitted its work`,
    after,
  };
}

export interface Range {
  from: string;
  to: string;
  concurrency: number;
}
interface Plan {
  count: number;
  more: boolean;
  first: string[];
}

/** Makes up for the instants of a range that never fired. */
export function backfillSchedule(name: string, range: Range, after?: () => void): Action {
  const body = (dryRun: boolean) => ({ ...range, dryRun });
  return {
    title: `Make up for what ${name} has missed?`,
    verb: 'Backfill',
    about: 'Work is submitted for each instant of the range that never fired, oldest first.',
    line: `mainspring schedules backfill ${quoted(name)} --from ${quoted(range.from)} --to ${quoted(range.to)}${range.concurrency > 1 ? ` --concurrency ${range.concurrency}` : ''}`,
    preview: async () => {
      const plan = await call<Plan>('POST', schedule(name, 'backfill'), body(true));
      return { count: plan.count, more: plan.more, items: plan.first };
    },
    run: () => call<Plan>('POST', schedule(name, 'backfill'), body(false)),
    done: (count) => `${number(count ?? 0)} instants of ${name} are being made up for`,
    after,
  };
}

export function stopBackfill(name: string, after?: () => void): Action {
  return {
    title: `End the backfill of ${name}?`,
    verb: 'Stop',
    about: 'What it has submitted goes on; the rest of the range is left.',
    line: `mainspring schedules backfill ${quoted(name)} --stop`,
    run: () => call('DELETE', schedule(name, 'backfill')),
    done: () => `The backfill of ${name} has ended`,
    after,
  };
}

export function deleteSchedule(name: string, after?: () => void): Action {
  return {
    title: `Delete schedule ${name}?`,
    verb: 'Delete',
    about: 'It is never due again. What it has submitted goes on, and the record of its instants stays.',
    danger: true,
    line: `mainspring schedules delete ${quoted(name)}`,
    run: () => call('DELETE', schedule(name)),
    done: () => `Schedule ${name} is deleted`,
    after,
  };
}

const definitionName = (kind: string, name: string) => quoted(kind === 'jobs' ? name : `${kind}/${name}`);

export function rollBack(kind: string, name: string, version: number, after?: () => void): Action {
  return {
    title: `Apply version ${version} of ${name} again?`,
    verb: 'Roll back to it',
    about: 'It becomes the newest version; those in between stay as they are.',
    line: `mainspring definitions rollback ${definitionName(kind, name)} --to ${version}`,
    run: () => post(`/api/v1/definitions/${kind}/${encodeURIComponent(name)}/rollback`, { version }),
    done: () => `Version ${version} of ${name} holds again`,
    after,
  };
}

export function deleteDefinition(kind: string, name: string, after?: () => void): Action {
  return {
    title: `Delete ${name}?`,
    verb: 'Delete',
    about: 'Nothing is made from it any more. Its versions stay, and so does all that was made from it.',
    danger: true,
    line: `mainspring definitions delete ${definitionName(kind, name)}`,
    run: () => call('DELETE', `/api/v1/definitions/${kind}/${encodeURIComponent(name)}`),
    done: () => `${name} is deleted`,
    after,
  };
}

export function directWorker(id: string, directive: 'pause' | 'resume' | 'drain', after?: () => void): Action {
  const path = (word: string) => `/api/v1/workers/${encodeURIComponent(id)}/${word}`;
  const said = {
    pause: `Worker ${id} gets nothing new until it is resumed`,
    resume: `Worker ${id} is granted work again`,
    drain: `Worker ${id} finishes what it runs, then leaves`,
  };
  return {
    title: directive === 'drain' ? `Drain worker ${id}?` : `${directive} worker ${id}`,
    verb: directive[0]?.toUpperCase() + directive.slice(1),
    about: directive === 'drain' ? 'It takes nothing new, finishes what it runs, and its process ends.' : undefined,
    line: `mainspring workers ${directive} ${quoted(id)}`,
    run: () => post(path(directive)),
    done: () => said[directive],
    undo: directive === 'pause' ? () => post(path('resume')) : directive === 'resume' ? () => post(path('pause')) : undefined,
    after,
  };
}

const PAST: Record<string, string> = {
  cancel: 'cancelled', retry: 'run again', delete: 'deleted', pause: 'paused', resume: 'resumed', rerun: 'run again', redrive: 'redriven', discard: 'discarded',
};
const NOUNS = { tasks: 'tasks', jobs: 'jobs', 'dead-letters': 'dead letters' };
const COMMANDS = { tasks: 'tasks', jobs: 'jobs', 'dead-letters': 'dlq' };

/** An order about everything that a query finds, counted before. */
export function bulk(what: 'tasks' | 'jobs' | 'dead-letters', action: string, q: string, after?: () => void): Action {
  const path = `/api/v1/${what}/bulk`;
  const name = action[0]?.toUpperCase() + action.slice(1);
  return {
    title: `${name} all ${NOUNS[what]} ${q === '' ? 'there are' : 'that match'}?`,
    verb: `${name} them`,
    about: q === '' ? `No filter is set: this is about all ${NOUNS[what]}. At most 10,000 at a time, newest first.` : `Filter: ${q}. At most 10,000 at a time, newest first.`,
    danger: ['cancel', 'delete', 'discard'].includes(action),
    line: `mainspring ${COMMANDS[what]} ${action} -q ${quoted(q)} --yes`,
    preview: () => call<Bulk>('POST', path, { action, q, dryRun: true }),
    run: () => call<Bulk>('POST', path, { action, q, dryRun: false }),
    done: (count) => `${number(count ?? 0)} ${NOUNS[what]} ${PAST[action] ?? action}`,
    after,
  };
}

/** An order about ids that were selected, one call each. */
export function selected(what: 'tasks' | 'jobs', action: string, ids: string[], after?: () => void): Action {
  const name = action[0]?.toUpperCase() + action.slice(1);
  const one = (id: string) => {
    if (what === 'jobs') return action === 'delete' ? call('DELETE', `/api/v1/jobs/${encodeURIComponent(id)}`) : post(job(id, action));
    const [first = '', second] = id.split('/');
    const path = second === undefined ? taskPath(first) : taskPath(second, first);
    return action === 'delete' ? call('DELETE', path) : post(`${path}/${action}`);
  };
  const run = async () => {
    const results = await Promise.allSettled(ids.map(one));
    const refused = results.find((result) => result.status === 'rejected');
    const count = results.filter((result) => result.status === 'fulfilled').length;
    if (refused?.status === 'rejected' && count === 0) throw refused.reason;
    return { count };
  };
  return {
    title: `${name} ${ids.length} selected ${NOUNS[what]}?`,
    verb: `${name} them`,
    danger: ['cancel', 'delete'].includes(action),
    line: `mainspring ${COMMANDS[what]} ${action} ${ids.map(quoted).join(' ')} --yes`,
    preview: () => Promise.resolve({ count: ids.length, items: ids }),
    run,
    done: (count) => `${count} of ${ids.length} ${NOUNS[what]} ${PAST[action] ?? action}`,
    after,
  };
}

/** Dead letters by ids: run again, or taken off the list. */
export function deadLetters(action: 'redrive' | 'discard', ids: string[], spacing: string, after?: () => void): Action {
  const redrive = action === 'redrive';
  const body = (dryRun: boolean) => ({ ids, dryRun, ...(redrive && spacing ? { spacing } : {}) });
  const path = `/api/v1/dead-letters/${action}`;
  const named = ids.length > 5 ? `${ids.slice(0, 5).map(quoted).join(' ')} …` : ids.map(quoted).join(' ');
  return {
    title: redrive ? `Run ${ids.length} dead ${ids.length === 1 ? 'letter' : 'letters'} again?` : `Discard ${ids.length} dead ${ids.length === 1 ? 'letter' : 'letters'}?`,
    verb: redrive ? 'Redrive' : 'Discard',
    about: redrive ? 'Each starts a new generation with fresh retries.' : 'They stay failed and keep their history, but leave this list.',
    danger: !redrive,
    line: `mainspring dlq ${action} ${named}${redrive && spacing ? ` --spacing ${spacing}` : ''} --yes`,
    preview: () => call<Bulk>('POST', path, body(true)),
    run: () => call<Bulk>('POST', path, body(false)),
    done: (count) => `${count ?? 0} dead letters ${redrive ? 'redriven' : 'discarded'}`,
    after,
  };
}
