// Jobs and tasks: one table each of any length, a query in the address, orders about what is selected or what matches.
import { useState } from 'react';
import { bulk, selected as selectedAction } from '../actions';
import { jobHref, query, taskHref } from '../api/client';
import { usePages, type Pages } from '../api/pages';
import type { Event, Job, Task } from '../api/types';
import { counted, quoted } from '../format';
import { useLive } from '../live/live';
import { AskButton } from '../parts/dialog';
import { Empty, Skeleton, Status, StateBar, Time, Took, Trouble } from '../parts/basics';
import { AGES, ageOf, stateOf, withAge, withState } from '../parts/offers';
import { Search } from '../parts/search';
import { Table, type Column } from '../parts/table';
import { Link, useParam } from '../router';
import { JOB_STATES, TASK_STATES } from '../states';

function StateChoices({ states, q, onChange, counts }: { states: string[]; q: string; onChange: (q: string) => void; counts: Record<string, { count: number; more?: boolean }> | undefined }) {
  const chosen = stateOf(q);
  // They count everything: beside another word they would tell of other rows than the list.
  const all = withState(q, '') === '' ? counts : undefined;
  return (
    <div className="filters" role="group" aria-label="States">
      {states.map((state) => (
        <button key={state} type="button" className="choice" aria-pressed={chosen === state} onClick={() => onChange(withState(q, chosen === state ? '' : state))}>
          <Status state={state} />{all && ` ${counted(all[state])}`}
        </button>
      ))}
      <Age q={q} onChange={onChange} />
    </div>
  );
}

/** How long ago: the way into the far end of a long list. */
function Age({ q, onChange }: { q: string; onChange: (q: string) => void }) {
  const chosen = ageOf(q);
  const known = AGES.some(([age]) => age === chosen);
  return (
    <label className="choice">
      submitted
      <select value={chosen} onChange={(event) => onChange(withAge(q, event.target.value))}>
        {AGES.map(([age, title]) => <option key={age} value={age}>{title}</option>)}
        {!known && <option value={chosen}>{chosen}</option>}
      </select>
    </label>
  );
}

function useSelection() {
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const select = (key: string, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(key);
    else next.delete(key);
    setChosen(next);
  };
  return { chosen, select, clear: () => setChosen(new Set()) };
}

interface BulkBarProps {
  what: 'tasks' | 'jobs';
  q: string;
  chosen: Set<string>;
  clear: () => void;
  after: () => void;
  onSelected: string[];
  onAll: string[];
}

function BulkBar({ what, q, chosen, clear, after, onSelected, onAll }: BulkBarProps) {
  const ids = [...chosen];
  const word = (action: string) => action[0]?.toUpperCase() + action.slice(1);
  const done = () => {
    clear();
    after();
  };
  return (
    <div className="filters" role="group" aria-label="Bulk actions">
      {ids.length > 0 ? (
        <>
          <span>{ids.length} selected</span>
          {onSelected.map((action) => {
            const order = selectedAction(what, action, ids, done);
            return <AskButton key={action} tiny action={{ ...order, verb: word(action) }} />;
          })}
          <button type="button" className="button bare tiny" onClick={clear}>Select none</button>
        </>
      ) : (
        <>
          <span className="muted small">{q === '' ? 'All:' : 'All that match:'}</span>
          {onAll.map((action) => (
            <AskButton key={action} tiny action={{ ...bulk(what, action, q, done), verb: `${word(action)} all` }} />
          ))}
        </>
      )}
    </div>
  );
}

function Foot({ pages, noun, line }: { pages: Pages<unknown>; noun: string; line: string }) {
  return (
    <>
      <span aria-live="polite">
        {pages.count.toLocaleString('en')}
        {pages.more ? '+' : ''} {noun} read{pages.seeking && ', looking further back …'}
      </span>
      <code className="cut" style={{ marginLeft: 'auto' }} data-cli={line}>{line}</code>
    </>
  );
}

/** While nothing was found yet. */
function Looking({ pages, q }: { pages: Pages<unknown>; q: string }) {
  if (!pages.seeking) return <Skeleton lines={8} />;
  return (
    <Empty title="Nothing among the newest">
      Looking further back. Only states, ids and ages lead straight to their rows; other words are looked for from the newest to the oldest
      {ageOf(q) === '' ? <>: <code>created:&lt;24h</code> ends that a day ago.</> : '.'}
    </Empty>
  );
}

const ofJobs = (event: Event) => event.eventType.startsWith('JOB_') || /^TASK_(COMPLETE|DEAD|CANCELLED|SKIPPED)$/.test(event.eventType);

const JOB_COLUMNS: Column<Job>[] = [
  { title: 'Status', width: '100px', cell: (job) => <Status state={job.status} /> },
  { title: 'Job', width: 'minmax(80px, 2fr)', cell: (job) => <Link href={jobHref(job.jobId)}><span className="mono">{job.jobId}</span></Link> },
  { title: 'Name', width: 'minmax(90px, 1.500fr)', from: 760, cell: (job) => job.jobName ?? job.definition?.name ?? <span className="muted">—</span> },
  { title: 'Progress', width: '120px', from: 620, cell: (job) => <StateBar states={ended(job)} total={job.tasks.total} /> },
  { title: 'Tasks', width: '88px', right: true, from: 480, cell: (job) => `${job.tasks.completed + job.tasks.failed + job.tasks.cancelled + job.tasks.skipped}/${job.tasks.total}` },
  { title: 'Took', width: '84px', right: true, from: 880, cell: (job) => <Took start={job.startTime} end={job.endTime} /> },
  { title: 'Submitted', width: 'time', right: true, cell: (job, brief) => <Time at={job.createdAt} brief={brief} /> },
];

/** Ended tasks by how they ended, for a bar. */
export function ended(job: Job): Record<string, number> {
  const { completed, failed, cancelled, skipped } = job.tasks;
  return { completed, failed, cancelled, skipped };
}

export function Jobs() {
  const [q, setQ] = useParam('q');
  const pages = usePages<Job>(`/api/v1/jobs${query({ q })}`, (job) => job.jobId, ofJobs);
  const stats = useLive((live) => live.stats);
  const { chosen, select, clear } = useSelection();
  const line = `mainspring jobs list${q && ` -q ${quoted(q)}`}`;
  return (
    <div className="screen fill">
      <div className="head">
        <h1>Jobs</h1>
        <Search label="Search jobs" scope="jobs" value={q} onChange={setQ} />
      </div>
      <StateChoices states={JOB_STATES} q={q} onChange={setQ} counts={stats?.jobs} />
      <BulkBar what="jobs" q={q} chosen={chosen} clear={clear} after={pages.reload} onSelected={['cancel', 'pause', 'resume', 'rerun', 'delete']} onAll={['cancel', 'pause', 'resume', 'rerun', 'delete']} />
      <Trouble error={pages.error} />
      <Table
        label="Jobs" columns={JOB_COLUMNS} count={pages.count} at={pages.at} keyOf={(job) => job.jobId} href={(job) => jobHref(job.jobId)}
        onShow={pages.show} version={pages.version} selected={chosen} onSelect={select}
        empty={pages.loading ? <Looking pages={pages} q={q} /> : q === '' ? (
          <Empty title="No job yet" line="mainspring submit examples/daily-report.yaml">A job is a graph of tasks, submitted as one and finished as one.</Empty>
        ) : (
          <Empty title="No job matches">Take a word out of the filter, or press <kbd>/</kbd> to change it.</Empty>
        )}
        foot={<Foot pages={pages} noun="jobs" line={line} />}
      />
    </div>
  );
}

const ofTasks = (event: Event) => event.eventType.startsWith('TASK_') && event.eventType !== 'TASK_PROGRESS';

/** The id that names a task everywhere. */
export const wholeId = (task: { taskId: string; jobId: string | null }) => (task.jobId ? `${task.jobId}/${task.taskId}` : task.taskId);

export const TASK_COLUMNS: Column<Task>[] = [
  { title: 'Status', width: '100px', cell: (task) => <Status state={task.status} word={task.held ? 'held' : undefined} /> },
  { title: 'Task', width: 'minmax(80px, 2fr)', cell: (task) => <Link href={taskHref(task.taskId, task.jobId)}><span className="mono">{task.taskId}</span></Link> },
  { title: 'Job', width: 'minmax(80px, 1fr)', from: 760, cell: (task) => (task.jobId ? <Link href={jobHref(task.jobId)} className="mono muted">{task.jobId}</Link> : <span className="muted">—</span>) },
  { title: 'Type', width: 'minmax(70px, 0.800fr)', from: 560, cell: (task) => task.type },
  { title: 'Queue', width: 'minmax(70px, 0.800fr)', from: 660, cell: (task) => task.queue },
  { title: 'Tries', width: '56px', right: true, from: 820, cell: (task) => task.attempt },
  { title: 'Took', width: '84px', right: true, from: 460, cell: (task) => <Took start={task.startTime} end={task.endTime ?? (task.status === 'running' ? null : task.startTime)} /> },
  { title: 'Submitted', width: 'time', right: true, cell: (task, brief) => <Time at={task.createdAt} brief={brief} /> },
];

export function Tasks() {
  const [q, setQ] = useParam('q');
  const pages = usePages<Task>(`/api/v1/tasks${query({ q })}`, wholeId, ofTasks);
  const stats = useLive((live) => live.stats);
  const { chosen, select, clear } = useSelection();
  const line = `mainspring tasks list${q && ` -q ${quoted(q)}`}`;
  return (
    <div className="screen fill">
      <div className="head">
        <h1>Tasks</h1>
        <Search label="Search tasks" scope="tasks" value={q} onChange={setQ} />
      </div>
      <StateChoices states={TASK_STATES} q={q} onChange={setQ} counts={stats?.tasks} />
      <BulkBar what="tasks" q={q} chosen={chosen} clear={clear} after={pages.reload} onSelected={['cancel', 'retry', 'delete']} onAll={['cancel', 'retry', 'delete']} />
      <Trouble error={pages.error} />
      <Table
        label="Tasks" columns={TASK_COLUMNS} count={pages.count} at={pages.at} keyOf={wholeId} href={(task) => taskHref(task.taskId, task.jobId)}
        onShow={pages.show} version={pages.version} selected={chosen} onSelect={select}
        empty={pages.loading ? <Looking pages={pages} q={q} /> : q === '' ? (
          <Empty title="No task yet" line={`mainspring submit shell --command 'echo hello' --retries 3`}>A task is one unit of work: a command, a request, or a payload for a worker of yours.</Empty>
        ) : (
          <Empty title="No task matches">Take a word out of the filter, or press <kbd>/</kbd> to change it.</Empty>
        )}
        foot={<Foot pages={pages} noun="tasks" line={line} />}
      />
    </div>
  );
}
