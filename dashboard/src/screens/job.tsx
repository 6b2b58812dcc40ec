// One job: what it is, what can be done with it, and its graph, timeline, tasks, events and logs.
import { lazy, Suspense } from 'react';
import { cancelJob, pauseJob, rerunJob, resumeJob } from '../actions';
import { jobHref, query, taskHref } from '../api/client';
import { printExact } from '../api/exact';
import { usePages } from '../api/pages';
import { useResource } from '../api/resource';
import type { Event, Job as JobType, Page, Task } from '../api/types';
import { number, quoted } from '../format';
import { Answers, isQuestion } from '../parts/approval';
import { ActButton, AskButton } from '../parts/dialog';
import { Copy, Empty, Note, Skeleton, Status, StateBar, Ticked, Time, Took, Trouble } from '../parts/basics';
import { Table } from '../parts/table';
import { Link, useParam } from '../router';
import { isTerminal } from '../states';
import { EventsOfJob } from './job-events';
import { Timeline } from './job-timeline';
import { ended, TASK_COLUMNS } from './lists';
import { LogView } from './logs';

const Graph = lazy(() => import('../graph/graph'));

const TABS = [
  ['', 'Graph'],
  ['timeline', 'Timeline'],
  ['tasks', 'Tasks'],
  ['events', 'Events'],
  ['logs', 'Logs'],
] as const;

export function Job({ id, tab }: { id: string; tab: string }) {
  const path = `/api/v1/jobs/${encodeURIComponent(id)}`;
  const mine = (event: Event) => event.jobId === id;
  const { data: job, error, reload } = useResource<JobType>(path, mine);
  if (!job) return <div className="screen"><div className="head"><h1 className="mono">{id}</h1></div>{error ? <Trouble error={error} /> : <div className="card"><Skeleton /></div>}</div>;
  return (
    <div className="screen fill">
      <div className="head">
        <Status state={job.status} pill />
        <h1>{job.jobName ?? job.jobId}</h1>
        <span className="id mono muted small">{job.jobId}<Copy text={job.jobId} what="the id" /></span>
        <Actions job={job} reload={reload} />
      </div>
      <Questions job={job} />
      <Facts job={job} />
      <nav className="tabs" aria-label="Views of this job">
        {TABS.map(([word, title]) => (
          <Link key={word} href={jobHref(id) + (word && `/${word}`)} aria-current={tab === word ? 'true' : undefined}>{title}</Link>
        ))}
      </nav>
      {tab === '' && (
        <Suspense fallback={<div className="card graph"><Skeleton lines={6} /></div>}>
          <Graph key={id} jobId={id} />
        </Suspense>
      )}
      {tab === 'timeline' && <Timeline job={job} />}
      {tab === 'tasks' && <TasksOfJob id={id} />}
      {tab === 'events' && <EventsOfJob key={id} id={id} />}
      {tab === 'logs' && <LogsOfJob id={id} />}
    </div>
  );
}

function Actions({ job, reload }: { job: JobType; reload: () => void }) {
  const over = isTerminal(job.status);
  const id = job.jobId;
  return (
    <div className="actions">
      {!over && (job.paused ? <ActButton action={resumeJob(id, reload)} /> : <ActButton action={pauseJob(id, reload)} />)}
      {over && job.status !== 'completed' && <AskButton first action={rerunJob(id, 'failed', reload)} />}
      {over && <AskButton action={rerunJob(id, 'start', reload)} />}
      {!over && <AskButton action={cancelJob(id, reload)} disabled={job.cancelRequested} />}
    </div>
  );
}

/** Questions that are shown at once. */
const ASKED = 5;

/** What the job waits for somebody to answer. */
function Questions({ job }: { job: JobType }) {
  const over = isTerminal(job.status);
  const { data, reload } = useResource<Page<Task>>(over ? null : `/api/v1/tasks${query({ q: `job:${job.jobId} status:waiting type:approval`, limit: 100 })}`, (event) => event.jobId === job.jobId && event.eventType !== 'TASK_PROGRESS');
  const asked = over ? [] : (data?.items ?? []).filter(isQuestion);
  if (asked.length === 0) return null;
  return (
    <Note tone="amber" icon="help">
      <ul className="grid" style={{ gap: 6 }}>
        {asked.slice(0, ASKED).map((task) => (
          <li key={task.taskId} className="head" style={{ minHeight: 0 }}>
            <span><Link href={taskHref(task.taskId, job.jobId)} className="mono">{task.taskId}</Link> waits for an approval{task.approvalUntil && <>; without an answer it fails <Time at={task.approvalUntil} /></>}</span>
            <Answers tiny task={task} after={reload} />
          </li>
        ))}
      </ul>
      {asked.length > ASKED && <Link href={`/tasks${query({ q: `job:${job.jobId} status:waiting` })}`}>and {asked.length - ASKED} more</Link>}
    </Note>
  );
}

/** Failed tasks that are named with their errors. */
const NAMED = 3;

/** What failed and why, and the way to all of it. */
function Failures({ job }: { job: JobType }) {
  const q = `job:${job.jobId} status:failed`;
  const { data } = useResource<Page<Task>>(`/api/v1/tasks${query({ q, limit: NAMED })}`, (event) => event.jobId === job.jobId && event.eventType === 'TASK_DEAD');
  return (
    <Note tone="red" icon="failed">
      {job.unhandledFailures === 1 ? 'One task failed' : `${number(job.unhandledFailures)} tasks failed`} and nothing handled it:{' '}
      <Link href={`/tasks${query({ q })}`} style={{ textDecoration: 'underline' }}>show what failed</Link>
      <ul>
        {!data && Array.from({ length: Math.min(NAMED, job.unhandledFailures) }, (_, line) => <li key={line}>…</li>)}
        {data?.items.map((task) => (
          <li key={task.taskId} className="cut" title={task.error?.message}><Link href={taskHref(task.taskId, job.jobId)} className="mono">{task.taskId}</Link>{task.error && <>: <Ticked text={task.error.message} /></>}</li>
        ))}
      </ul>
    </Note>
  );
}

function Facts({ job }: { job: JobType }) {
  const { tasks } = job;
  const over = tasks.completed + tasks.failed + tasks.cancelled + tasks.skipped;
  return (
    <>
      {job.unhandledFailures > 0 && <Failures job={job} />}
      <dl className="facts">
        <div>
          <dt>Tasks ended</dt>
          <dd>{number(over)} of {number(tasks.total)} <StateBar states={ended(job)} total={tasks.total} /></dd>
        </div>
        <div><dt>Took</dt><dd><Took start={job.startTime} end={job.endTime} /></dd></div>
        <div><dt>Submitted</dt><dd><Time at={job.createdAt} /></dd></div>
        <div><dt>Ended</dt><dd><Time at={job.endTime} /></dd></div>
        <div><dt>Generation</dt><dd>{job.generation}</dd></div>
        <div><dt>After a failure</dt><dd>{job.failurePolicy === 'fail_fast' ? 'stops at once' : 'goes on'}</dd></div>
        {job.definition && <div><dt>Definition</dt><dd><Link href={`/definitions/jobs/${encodeURIComponent(job.definition.name)}${job.definition.version === null ? '' : `?version=${job.definition.version}`}`}>{job.definition.name}</Link>{job.definition.version !== null && <span className="muted"> version {job.definition.version}</span>}</dd></div>}
        {job.parent && <div><dt>Carries out</dt><dd><Link href={taskHref(job.parent.taskId, job.parent.jobId)} className="mono">{job.parent.jobId}/{job.parent.taskId}</Link></dd></div>}
        {job.deadline && <div><dt>Deadline</dt><dd><Time at={job.deadline} /></dd></div>}
        {job.queued && <div><dt>Waits for its turn</dt><dd>{job.maxActive === 1 ? 'one job of its definition at a time' : `at most ${job.maxActive} jobs of its definition at a time`}</dd></div>}
        {job.params !== undefined && Object.entries(job.params as object).map(([name, value]) => <div key={name}><dt>params.{name}</dt><dd className="mono">{typeof value === 'string' ? value : printExact(value)}</dd></div>)}
        {job.sweep && <div><dt>Doing</dt><dd>{job.sweep.replace('_', ' ')}</dd></div>}
        {job.tags.length > 0 && <div><dt>Tags</dt><dd>{job.tags.map((tag) => <span key={tag} className="chip">{tag}</span>)}</dd></div>}
      </dl>
    </>
  );
}

const NO_JOB = TASK_COLUMNS.filter((column) => column.title !== 'Job');

function TasksOfJob({ id }: { id: string }) {
  const pages = usePages<Task>(`/api/v1/jobs/${encodeURIComponent(id)}/tasks`, (task) => task.taskId, (event) => event.jobId === id);
  return (
    <>
      <Trouble error={pages.error} />
      <Table label={`Tasks of ${id}`} columns={NO_JOB} count={pages.count} at={pages.at} keyOf={(task) => task.taskId} href={(task) => taskHref(task.taskId, id)}
        onShow={pages.show} version={pages.version} empty={pages.loading ? <Skeleton lines={8} /> : <Empty title="This job has no task" />}
        foot={<code className="cut" data-cli>mainspring jobs tasks {quoted(id)}</code>} />
    </>
  );
}

/** Tasks that are offered of each kind; the rest is found under Tasks. */
const OFFERED = 200;

function LogsOfJob({ id }: { id: string }) {
  // What failed or runs is found by an index, however many tasks there are, and stands first.
  const mine = (event: Event) => event.jobId === id && event.eventType !== 'TASK_PROGRESS';
  const of = (status: string) => `/api/v1/tasks${query({ q: `job:${id} status:${status}`, limit: OFFERED })}`;
  const parts = [useResource<Page<Task>>(of('failed'), mine), useResource<Page<Task>>(of('running'), mine), useResource<Page<Task>>(of('completed,cancelled,ready,scheduled'), mine)];
  const [chosen, setChosen] = useParam('task');
  const error = parts.find((part) => part.error)?.error;
  if (parts.some((part) => !part.data)) return error ? <Trouble error={error} /> : <Skeleton />;
  const tasks = parts.flatMap((part) => part.data?.items ?? []).filter((each) => each.attempt > 0);
  const more = parts.some((part) => part.data?.nextCursor);
  if (tasks.length === 0) return <div className="card"><Empty title="Nothing has run yet">What a task prints appears here as it is printed.</Empty></div>;
  const task = tasks.find((each) => each.taskId === chosen) ?? tasks[0];
  return (
    <div className="grid side-by-side">
      <div className="card pick" tabIndex={0} role="group" aria-label="Tasks that ran">
        {tasks.map((each) => (
          <button key={each.taskId} type="button" aria-pressed={each === task} onClick={() => setChosen(each.taskId)}>
            <Status state={each.status} word="" />
            <span className="mono cut">{each.taskId}</span>
          </button>
        ))}
        {more && <Link className="muted small" href={jobHref(id) + '/tasks'}>The first {OFFERED} of a kind; all tasks</Link>}
      </div>
      {task && <LogView key={task.taskId} taskId={task.taskId} jobId={id} attempt={task.attempt} ended={isTerminal(task.status)} />}
    </div>
  );
}
