// One task: where it stands and why, its attempts, what they printed, what it was given and what it gave back.
import { useState } from 'react';
import { cancelTask, rerunFromTask, retryTask } from '../actions';
import { jobHref, taskHref, taskPath } from '../api/client';
import { useResource } from '../api/resource';
import { printExact } from '../api/exact';
import type { Attempt, Event, Gate, Page, Task as TaskType } from '../api/types';
import { quoted } from '../format';
import { Answers, isQuestion } from '../parts/approval';
import { AskButton } from '../parts/dialog';
import { Copy, Empty, Note, Sentence, Shell, Skeleton, Status, Ticked, Time, Took, Trouble, Wide } from '../parts/basics';
import { Link } from '../router';
import { isTerminal } from '../states';
import { Instances } from './instances';
import { LogView } from './logs';

/** Why a task was passed over. */
const SKIPPED: Record<string, string> = {
  condition: 'its condition (if) did not hold',
  upstream_failed: 'a task that it needs has failed',
  upstream_skipped: 'a task that it needs was skipped',
};

export function Task({ taskId, jobId }: { taskId: string; jobId: string | null }) {
  const path = taskPath(taskId, jobId);
  const mine = (event: Event) => event.taskId === taskId && (event.jobId ?? null) === jobId;
  const { data: task, error, reload } = useResource<TaskType>(path, mine);
  const attempts = useResource<Page<Attempt>>(`${path}/attempts?limit=1000`, mine);
  const [chosen, setChosen] = useState<number | undefined>();
  if (!task) return <div className="screen"><div className="head"><h1 className="mono">{taskId}</h1></div>{error ? <Trouble error={error} /> : <div className="card"><Skeleton /></div>}</div>;
  const shown = chosen ?? task.attempt;
  const over = isTerminal(task.status);
  const running = task.status === 'running' && shown === task.attempt;
  return (
    <div className="screen">
      <div className="head">
        <Status state={task.status} pill word={task.held ? 'held' : undefined} />
        <h1>{task.taskName ?? task.taskId}</h1>
        <span className="id mono muted small"><span>{task.jobId && <><Link href={jobHref(task.jobId)}>{task.jobId}</Link> / </>}{task.taskId}</span><Copy text={jobId ? `${jobId}/${taskId}` : taskId} what="the id" /></span>
        <div className="actions">
          {isQuestion(task) && <Answers task={task} after={reload} />}
          {over && !jobId && <AskButton first={task.status === 'failed'} action={retryTask(taskId, jobId, true, reload)} />}
          {over && jobId && <AskButton first={task.status === 'failed'} action={rerunFromTask(jobId, taskId, reload)} />}
          {(task.status === 'scheduled' || task.held) && <AskButton action={retryTask(taskId, jobId, false, reload)} />}
          {!over && <AskButton action={cancelTask(taskId, jobId, reload)} />}
        </div>
      </div>
      {task.error && <ErrorNote error={task.error} />}
      {!over && <Why path={path} id={jobId ? `${jobId}/${taskId}` : taskId} mine={mine} />}
      {task.skipReason && <Note icon="skipped">Skipped: {SKIPPED[task.skipReason] ?? task.skipReason.replaceAll('_', ' ')}.</Note>}
      <Facts task={task} />
      {task.instances && <Instances task={task} counts={task.instances} />}
      {!task.instances && !isQuestion(task) && (
        <section className="card">
          <header><h2>Attempts</h2></header>
          <Attempts rows={attempts.data?.items} shown={shown} choose={setChosen} />
        </section>
      )}
      {task.attempt > 0 && (
        <section className="log-section">
          <h2>Log of attempt {shown}</h2>
          <LogView key={shown} taskId={taskId} jobId={jobId} attempt={shown} ended={!running} />
        </section>
      )}
      <div className="grid two">
        <Body title="What it was given" task={task} />
        <section className="card">
          <header><h2>What it gave back</h2>{task.output !== undefined && <span className="rest"><Copy text={printExact(task.output)} what="the output" /></span>}</header>
          <div className="body">
            {task.output === undefined ? <p className="muted">No output. A program gives one by writing JSON to the file that <code>MAINSPRING_OUTPUT</code> names.</p> : <pre className="code" tabIndex={0}>{printExact(task.output)}</pre>}
          </div>
        </section>
      </div>
    </div>
  );
}

function ErrorNote({ error }: { error: NonNullable<TaskType['error']> }) {
  return (
    <Note tone="red" icon="failed">
      <strong>{error.type}</strong>: <Ticked text={error.message} />
      {error.trace && (
        <details>
          <summary>Trace</summary>
          <pre className="code" tabIndex={0}>{error.trace}</pre>
        </details>
      )}
    </Note>
  );
}

function Why({ path, id, mine }: { path: string; id: string; mine: (event: Event) => boolean }) {
  const { data } = useResource<{ gates: Gate[] }>(`${path}/why`, mine);
  if (!data || data.gates.length === 0) return null;
  return (
    <Note tone="blue" icon="help">
      <ul>
        {data.gates.map((gate) => (
          <li key={gate.gate + gate.detail}><Sentence text={gate.detail} />{gate.since && <> since <Time at={gate.since} /></>}</li>
        ))}
      </ul>
      <div style={{ marginTop: 8 }}><Shell line={`mainspring why ${quoted(id)}`} /></div>
    </Note>
  );
}

function Facts({ task }: { task: TaskType }) {
  const facts: [string, React.ReactNode][] = [
    ['Type', task.type],
    ['Queue', task.queue],
    ['Priority', task.priority],
    ['Tries', `${task.attempt}${task.retries ? `, ${task.retries} retries` : ''}`],
    ['Generation', task.generation],
    ['Submitted', <Time at={task.createdAt} />],
    ['Started', <Time at={task.startTime} />],
    ['Took', <Took start={task.startTime} end={task.endTime ?? (task.status === 'running' ? null : task.startTime)} />],
  ];
  const group = /^(.+)~\d+$/.exec(task.taskId)?.[1];
  if (group && task.jobId) facts.push(['Instance of', <Link href={taskHref(group, task.jobId)} className="mono">{group}</Link>]);
  if (task.childJobId) facts.push(['Carried out by', <Link href={jobHref(task.childJobId)} className="mono">{task.childJobId}</Link>]);
  if (task.approvalUntil) facts.push(['Answer until', <Time at={task.approvalUntil} />]);
  if (task.runAt) facts.push(['Due', <Time at={task.runAt} />]);
  if (task.workerId) facts.push(['Worker', <Link href="/workers" className="mono">{task.workerId}</Link>]);
  if (task.timeout !== undefined) facts.push(['Timeout', typeof task.timeout === 'number' ? `${task.timeout} s` : task.timeout]);
  if (task.trigger && task.trigger !== 'all_success') facts.push(['Starts when', task.trigger.replaceAll('_', ' ')]);
  if (task.expiresAt) facts.push(['Expires', <Time at={task.expiresAt} />]);
  if (task.group) facts.push(['Group', task.group]);
  if (task.tags.length > 0) facts.push(['Tags', task.tags.map((tag) => <span key={tag} className="chip">{tag}</span>)]);
  return <dl className="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

function Attempts({ rows, shown, choose }: { rows: Attempt[] | undefined; shown: number; choose: (attempt: number) => void }) {
  if (!rows) return <Skeleton lines={2} />;
  if (rows.length === 0) return <Empty title="It has not been tried yet">Above stands what it waits for.</Empty>;
  return (
    <Wide label="Attempts">
      <table className="plain">
        <thead><tr><th>Attempt</th><th>Outcome</th><th>Error</th><th>Worker</th><th className="right">Started</th><th className="right">Took</th></tr></thead>
        <tbody>
          {rows.toReversed().map((attempt) => (
            <tr key={attempt.attempt}>
              <td><button type="button" className="button tiny" aria-pressed={attempt.attempt === shown} onClick={() => choose(attempt.attempt)}>{attempt.attempt}{attempt.attempt === shown ? ' · log below' : ''}</button></td>
              <td><Status state={attempt.status} /></td>
              <td style={{ maxWidth: 280 }}><div className="cut" title={attempt.error?.message}>{attempt.error ? attempt.error.message : <span className="muted">—</span>}</div></td>
              <td className="mono">{attempt.workerId}</td>
              <td className="right"><Time at={attempt.startTime} /></td>
              <td className="right"><Took start={attempt.startTime} end={attempt.endTime} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

/** What a task was submitted with, as far as it says what to do. */
export function given(task: TaskType): Record<string, unknown> {
  const { payload, command, run, http, env } = task;
  return Object.fromEntries(Object.entries({ command, run, http, env, payload }).filter(([, value]) => value !== undefined));
}

function Body({ title, task }: { title: string; task: TaskType }) {
  const body = given(task);
  const only = Object.keys(body).length === 1 && 'payload' in body;
  const text = printExact(only ? body.payload : body);
  return (
    <section className="card">
      <header><h2>{title}</h2><span className="rest"><Copy text={text} what="what it was given" /></span></header>
      <div className="body">
        {Object.keys(body).length === 0 ? <p className="muted">{task.status === 'pending' ? 'Nothing, or not known before what it needs has ended: expressions are evaluated then.' : 'Neither payload nor command.'}</p> : <pre className="code" tabIndex={0}>{text}</pre>}
      </div>
    </section>
  );
}
