// Queues, workers and the audit trail: who waits where, who runs what, who ordered it.
import { directWorker, pauseQueue } from '../actions';
import { jobHref, query, taskHref } from '../api/client';
import { usePages } from '../api/pages';
import { useResource } from '../api/resource';
import type { Audit as AuditRecord, Event, Page, Queue, Worker } from '../api/types';
import { printExact } from '../api/exact';
import { counted, span, words } from '../format';
import { ActButton, AskButton } from '../parts/dialog';
import { Empty, Skeleton, Status, Time, Trouble, Wide } from '../parts/basics';
import { Table, type Column } from '../parts/table';
import { Link } from '../router';
import { LimitsButton, limitsOf, MoreLimits, QueueLimits } from './limits';

const anyTask = (event: Event) => event.eventType.startsWith('TASK_') || event.eventType.startsWith('QUEUE_');
const SHOWN = ['ready', 'running', 'scheduled', 'waiting', 'failed'];

export function Queues() {
  const { data, error, reload } = useResource<Page<Queue>>('/api/v1/queues', anyTask);
  return (
    <div className="screen">
      <div className="head"><h1>Queues</h1></div>
      <Trouble error={error} />
      <Wide card label="Queues">
        {!data ? !error && <Skeleton /> : data.items.length === 0 ? (
          <Empty title="No queue yet" line="mainspring submit noop --queue email">A queue exists as soon as a task names it; workers choose which ones they serve.</Empty>
        ) : (
          <table className="plain">
            <thead>
              <tr><th>Queue</th><th>State</th>{SHOWN.map((state) => <th key={state} className="right">{state}</th>)}<th className="right">Oldest waits</th><th>Limits</th><th><span className="unseen">Actions</span></th></tr>
            </thead>
            <tbody>
              {data.items.map((queue) => {
                return (
                  <tr key={queue.name}>
                    <td><Link href={`/tasks${query({ q: `queue:${queue.name}` })}`} className="mono">{queue.name}</Link></td>
                    <td>{queue.paused ? <Status state="paused" /> : <Status state="run" word="open" />}</td>
                    {SHOWN.map((state) => <td key={state} className="right"><Link href={`/tasks${query({ q: `queue:${queue.name} status:${state}` })}`}>{counted(queue.tasks[state])}</Link></td>)}
                    <td className="right">{!queue.oldestReadySeconds ? '—' : span(queue.oldestReadySeconds * 1_000)}</td>
                    <td><QueueLimits queue={queue} /></td>
                    <td className="right nowrap">
                      <LimitsButton label="Limits …" kind="queues" name={queue.name} values={limitsOf(queue)} after={reload} />{' '}
                      <ActButton tiny action={pauseQueue(queue.name, !queue.paused, reload)} />
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        )}
      </Wide>
      <MoreLimits />
    </div>
  );
}

const anyWork = (event: Event) => event.eventType.startsWith('WORKER_') || /^TASK_(STARTED|COMPLETE|FAILED|CANCELLED)$/.test(event.eventType);
/** Attempts of a worker that are named. */
const NAMED = 6;

export function Workers() {
  const { data, error, reload } = useResource<Page<Worker>>('/api/v1/workers', anyWork);
  return (
    <div className="screen">
      <div className="head"><h1>Workers</h1></div>
      <Trouble error={error} />
      <Wide card label="Workers">
        {!data ? !error && <Skeleton /> : data.items.length === 0 ? (
          <Empty title="No worker is connected" line={`mainspring worker --server ${location.origin}`}>Workers take tasks over HTTP and may run anywhere; one in any language is a page of code.</Empty>
        ) : (
          <table className="plain">
            <thead>
              <tr><th>Worker</th><th>Told to</th><th>Runs</th><th className="right">Free</th><th>Serves</th><th className="right">Heard</th><th className="right">Since</th><th><span className="unseen">Actions</span></th></tr>
            </thead>
            <tbody>
              {data.items.map((worker) => <WorkerRow key={worker.workerId + (worker.sessionId ?? '')} worker={worker} reload={reload} />)}
            </tbody>
          </table>
        )}
      </Wide>
    </div>
  );
}

function WorkerRow({ worker, reload }: { worker: Worker; reload: () => void }) {
  const { workerId: id, directive, running } = worker;
  return (
    <tr>
      <td className="mono">{id}</td>
      <td><Status state={directive} /></td>
      <td>
        {running.length === 0 ? <span className="muted">nothing</span> : running.slice(0, NAMED).map((task) => (
          <span key={`${task.jobId ?? ''}/${task.taskId}`} className="chip"><Link href={taskHref(task.taskId, task.jobId)} className="mono">{task.taskId}</Link></span>
        ))}
        {running.length > NAMED && <span className="muted"> and {running.length - NAMED} more</span>}
      </td>
      <td className="right">{worker.capacity}</td>
      <td>
        <span className="muted small nowrap">
          {worker.queues.length === 0 ? 'every queue' : worker.queues.join(', ')} · {worker.types.join(', ')}
          {Object.entries(worker.labels ?? {}).map(([name, value]) => ` · ${name}=${value}`)}
        </span>
      </td>
      <td className="right"><Time at={worker.heardAt} /></td>
      <td className="right"><Time at={worker.since} /></td>
      <td className="right nowrap">
        {directive === 'run' ? <ActButton tiny action={directWorker(id, 'pause', reload)} /> : <ActButton tiny action={directWorker(id, 'resume', reload)} />}{' '}
        <AskButton tiny disabled={directive === 'drain'} action={directWorker(id, 'drain', reload)} />
      </td>
    </tr>
  );
}

const DETAIL_MAX = 400;

function Target({ record }: { record: AuditRecord }) {
  const { action, target } = record;
  if (action.startsWith('job.')) return <Link href={jobHref(target)} className="mono">{target}</Link>;
  if (action.startsWith('task.') || action.startsWith('dead_letter.')) {
    const [first = '', second] = target.split('/');
    return <Link href={second === undefined ? taskHref(first) : taskHref(second, first)} className="mono">{target}</Link>;
  }
  return <span className="mono">{target}</span>;
}

const AUDIT_COLUMNS: Column<AuditRecord>[] = [
  { title: 'When', width: 'time', cell: (record, brief) => <Time at={record.timestamp} brief={brief} /> },
  { title: 'Who', width: 'minmax(80px, 140px)', from: 480, cell: (record) => record.actor },
  { title: 'What', width: 'minmax(100px, 180px)', cell: (record) => words(record.action) },
  { title: 'On what', width: 'minmax(80px, 1.200fr)', cell: (record) => <Target record={record} /> },
  { title: 'Detail', width: 'minmax(100px, 1.500fr)', from: 640, cell: (record) => <Detail record={record} /> },
];

function Detail({ record }: { record: AuditRecord }) {
  const { detail } = record;
  if (detail === null || detail === undefined || (typeof detail === 'object' && Object.keys(detail).length === 0)) return <span className="muted">—</span>;
  const text = printExact(detail).replace(/\s+/g, ' ').slice(0, DETAIL_MAX);
  return <code className="muted" title={text}>{text}</code>;
}

/** A record has no id: two orders of a moment about one thing differ in what they did. */
const recordKey = (record: AuditRecord) => `${record.timestamp} ${record.actor} ${record.action} ${record.target} ${printExact(record.detail ?? null)}`;

export function Audit() {
  // Orders end in events of tasks, jobs, queues and workers; definitions are read anew when the screen is opened.
  const pages = usePages<AuditRecord>('/api/v1/audit', recordKey, (event) => !/^TASK_(STARTED|COMPLETE|PROGRESS|SUBMITTED)$/.test(event.eventType));
  return (
    <div className="screen fill">
      <div className="head"><h1>Audit</h1><span className="muted small">who ordered what, newest first</span></div>
      <Trouble error={pages.error} />
      <Table label="Audit" columns={AUDIT_COLUMNS} count={pages.count} at={pages.at} keyOf={recordKey} onShow={pages.show} version={pages.version}
        empty={pages.loading ? <Skeleton lines={8} /> : <Empty title="Nobody has ordered anything yet">Cancels, pauses, reruns, redrives, edits and definitions are recorded here.</Empty>}
        foot={<span aria-live="polite">{pages.count.toLocaleString('en')}{pages.more ? '+' : ''} records read</span>} />
    </div>
  );
}
