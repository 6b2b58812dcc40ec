// What goes no further until a person has said something: approvals, and tasks that are held after their worker was lost.
import { useCallback, useEffect, useRef } from 'react';
import { query, taskHref } from '../api/client';
import { useResource } from '../api/resource';
import type { Event, Page, Task } from '../api/types';
import { Answers, isQuestion } from '../parts/approval';
import { Status, Time, Wide } from '../parts/basics';
import { Link } from '../router';
import { wholeId } from './lists';

/** Rows that are shown; the rest is a link away. */
const SHOWN = 6;
/** Waiting tasks of a kind that are looked at: among them are such that wait for a job of their own, which ends by itself. */
const LOOKED_AT = 100;
const APPROVALS = 'status:waiting type:approval';
const path = (q: string) => `/api/v1/tasks${query({ q, limit: LOOKED_AT })}`;

const changes = (event: Event) => event.eventType.startsWith('TASK_') && event.eventType !== 'TASK_PROGRESS';

/** `waiting`: how many tasks wait for something, as the statistics have it; nothing is read while none does. */
export function Attention({ waiting }: { waiting: number }) {
  const approvals = useResource<Page<Task>>(waiting > 0 ? path(APPROVALS) : null, changes);
  const others = useResource<Page<Task>>(waiting > 0 ? path('status:waiting -type:approval') : null, changes);
  const reload = useCallback(() => {
    approvals.reload();
    others.reload();
  }, [approvals.reload, others.reload]);
  const before = useRef(waiting);
  useEffect(() => {
    // What comes first is read anyway.
    if (before.current > 0 && before.current !== waiting) reload();
    before.current = waiting;
  }, [waiting, reload]);
  const asked = (approvals.data?.items ?? []).filter(isQuestion);
  const tasks = waiting > 0 ? [...(others.data?.items ?? []).filter((task) => task.held), ...asked] : [];
  if (tasks.length === 0) return null;
  const more = tasks.length > SHOWN || approvals.data?.nextCursor !== undefined;
  return (
    <section className="card" aria-label="Waits for somebody">
      <header>
        <h2>Waits for somebody</h2>
        {more && <Link className="rest muted small" href={`/tasks${query({ q: 'status:waiting' })}`}>all that wait</Link>}
      </header>
      <Wide label="What waits for somebody">
        <table className="plain">
          <thead><tr><th>Task</th><th>Waits for</th><th className="right">Open until</th><th><span className="unseen">Answers</span></th></tr></thead>
          <tbody>
            {tasks.slice(0, SHOWN).map((task) => (
              <tr key={wholeId(task)}>
                <td><Link href={taskHref(task.taskId, task.jobId)} className="mono">{wholeId(task)}</Link></td>
                <td><Status state="waiting" word={task.held ? 'a decision: its worker was lost' : 'an approval'} /></td>
                <td className="right">{task.approvalUntil ? <Time at={task.approvalUntil} /> : <span className="muted">it is answered</span>}</td>
                <td className="right nowrap">{task.held ? <Link className="button tiny" href={taskHref(task.taskId, task.jobId)}>Look</Link> : <span className="answers"><Answers tiny task={task} after={reload} /></span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
    </section>
  );
}
