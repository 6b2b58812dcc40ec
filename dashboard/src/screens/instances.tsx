// The instances of a `forEach`: how many stand where, and each with a link.
import { taskPath, taskHref } from '../api/client';
import { usePages } from '../api/pages';
import type { JobCounts, Task } from '../api/types';
import { number, quoted } from '../format';
import { Empty, Skeleton, Status, StateBar, Trouble } from '../parts/basics';
import { Table } from '../parts/table';
import { useParam } from '../router';
import { TASK_COLUMNS } from './lists';

const COLUMNS = TASK_COLUMNS.filter((column) => !['Job', 'Type', 'Queue'].includes(column.title));
const STATES = ['failed', 'running', 'ready', 'scheduled', 'completed', 'skipped', 'cancelled'];

export function Instances({ task, counts }: { task: Task; counts: JobCounts }) {
  const { taskId, jobId } = task;
  const [status, setStatus] = useParam('instances');
  const path = `${taskPath(taskId, jobId)}/instances${status && `?status=${status}`}`;
  const pages = usePages<Task>(path, (row) => row.taskId, (event) => event.jobId === jobId && (event.taskId?.startsWith(`${taskId}~`) ?? false));
  const { completed, failed, cancelled, skipped, total } = counts;
  const over = completed + failed + cancelled + skipped;
  return (
    <section className="card" aria-label="Instances">
      <header>
        <h2>Instances</h2>
        <span>{number(over)} of {number(total)} ended{failed > 0 && `, ${number(failed)} failed`}</span>
        <span className="rest" style={{ minWidth: 160 }}><StateBar states={{ completed, failed, cancelled, skipped }} total={total} /></span>
      </header>
      <div className="body grid">
        <div className="filters" role="group" aria-label="States of instances">
          {STATES.map((state) => (
            <button key={state} type="button" className="choice" aria-pressed={status === state} onClick={() => setStatus(status === state ? '' : state)}><Status state={state} /></button>
          ))}
        </div>
        <Trouble error={pages.error} />
        <Table className="inner" label={`Instances of ${taskId}`} columns={COLUMNS} count={pages.count} at={pages.at} keyOf={(row) => row.taskId} href={(row) => taskHref(row.taskId, jobId)}
          onShow={pages.show} version={pages.version} empty={pages.loading ? <Skeleton lines={3} /> : <Empty title={status ? 'No instance stands there' : 'There is no instance'}>Each item of the list becomes a task of its own.</Empty>}
          foot={<code className="cut" data-cli>mainspring tasks get {quoted(`${jobId}/${taskId}`)}</code>} />
      </div>
    </section>
  );
}
