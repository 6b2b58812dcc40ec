// The overview: is anything wrong, how much flows, what failed last. Every number leads to its list.
import { useMemo } from 'react';
import type { DeadLetters, Event, History, HistoryPoint, Stats } from '../api/types';
import { taskHref, query } from '../api/client';
import { useResource } from '../api/resource';
import { counted, number, span } from '../format';
import { useLive } from '../live/live';
import { Chart } from '../parts/chart';
import { Empty, Note, Skeleton, Status, StateBar, Time, Wide } from '../parts/basics';
import { Link } from '../router';
import { look } from '../states';
import { Attention } from './attention';
import { gathered } from './gathered';

/** Bars of a chart: neighbouring points are put together. */
const BARS = 90;

const tells = (event: Event) => /^TASK_(COMPLETE|FAILED|DEAD|STARTED)$/.test(event.eventType);
const dies = (event: Event) => event.eventType === 'TASK_DEAD';

export function Overview() {
  const live = useLive((state) => state.stats);
  const first = useResource<Stats>('/api/v1/stats');
  const stats = live ?? first.data;
  const history = useResource<History>('/api/v1/stats/history', tells);
  const dead = useResource<DeadLetters>('/api/v1/dead-letters?limit=8', dies);
  return (
    <div className="screen">
      <div className="head">
        <h1>Overview</h1>
        {stats && <span className="muted small" title={stats.store}>{stats.store.split(' ')[0]} · up {span(stats.uptimeSeconds * 1_000)}</span>}
      </div>
      {stats ? <Figures stats={stats} /> : <div className="card"><Skeleton lines={3} /></div>}
      {stats && <Attention waiting={stats.tasks.waiting?.count ?? 0} />}
      {stats && isNew(stats) && (
        <div className="card">
          <Empty title="Nothing has been submitted yet" line={`curl -s ${location.origin}/tasks/schedule -H 'Content-Type: application/json' -d '{"type": "shell", "command": "echo hello"}'`}>
            Send one task, or run a whole graph with <code>mainspring dev examples/daily-report.yaml</code>. It appears here by itself.
          </Empty>
        </div>
      )}
      <Courses points={history.data?.points ?? []} step={history.data?.stepSeconds ?? 5} />
      <div className="grid two">
        <section className="card">
          <header><h2>Queues</h2><Link className="rest muted small" href="/queues">all queues</Link></header>
          {stats ? <Backlog stats={stats} /> : <Skeleton />}
        </section>
        <section className="card">
          <header><h2>Latest dead letters</h2><Link className="rest muted small" href="/dead-letters">all by error</Link></header>
          {dead.data ? <Latest dead={dead.data} /> : <Skeleton />}
        </section>
      </div>
    </div>
  );
}

function isNew(stats: Stats): boolean {
  return Object.keys(stats.tasks).length === 0 && Object.keys(stats.jobs).length === 0;
}

function Figures({ stats }: { stats: Stats }) {
  const cell = (state: string, value: string, href: string, word: string) => (
    <Link href={href} key={word}>
      <strong>{value}</strong>
      <Status state={state} word={word} />
    </Link>
  );
  const tasks = (status: string) => `/tasks${query({ q: `status:${status}` })}`;
  const busy = stats.workers === 0 && (stats.tasks.ready?.count ?? 0) > 0;
  return (
    <>
      {busy && (
        <Note tone="amber" icon="lost">
          {counted(stats.tasks.ready)} tasks are ready and no worker is connected. Start one: <code>mainspring worker --server {location.origin}</code>
        </Note>
      )}
      <div className="card figures">
        {cell('running', number(stats.running), tasks('running'), 'running')}
        {cell('ready', counted(stats.tasks.ready), tasks('ready'), 'ready')}
        {cell('scheduled', counted(stats.tasks.scheduled), tasks('scheduled'), 'scheduled')}
        {cell('failed', counted(stats.tasks.failed), tasks('failed'), 'failed')}
        {cell('completed', counted(stats.tasks.completed), tasks('completed'), 'completed')}
        {cell('joined', number(stats.workers), '/workers', stats.workers === 1 ? 'worker' : 'workers')}
      </div>
    </>
  );
}

function Courses({ points, step }: { points: HistoryPoint[]; step: number }) {
  const groups = useMemo(() => gathered(points, BARS), [points]);
  const times = groups.map((group) => Date.parse(group.at(-1)?.at ?? ''));
  const perSecond = (outcome: (word: string) => boolean) =>
    groups.map((group) => {
      const total = group.reduce((sum, point) => sum + Object.entries(point.ended).reduce((n, [word, count]) => n + (outcome(word) ? count : 0), 0), 0);
      return total / (group.length * step);
    });
  const highest = (pick: (point: HistoryPoint) => number | undefined) =>
    groups.map((group) => {
      const values = group.map(pick).filter((value) => value !== undefined);
      return values.length > 0 ? Math.max(...values) : NaN;
    });
  const rate = (value: number) => `${value >= 10 ? number(Math.round(value)) : value.toFixed(1)}/s`;
  const time = (value: number) => (Number.isNaN(value) ? '—' : span(value));
  const good = (word: string) => word === 'success';
  const neutral = (word: string) => ['cancelled', 'snoozed', 'interrupted'].includes(word);
  return (
    <div className="grid two">
      <section className="card">
        <header><h2>Attempts that ended</h2></header>
        <div className="body">
          <Chart label="Attempts that ended per second" kind="bars" times={times} format={rate} series={[
            { name: 'success', tone: 'green', values: perSecond(good) },
            { name: 'failure', tone: 'red', values: perSecond((word) => !good(word) && !neutral(word)) },
            { name: 'other', tone: 'grey', values: perSecond(neutral) },
          ]} />
        </div>
      </section>
      <section className="card">
        <header><h2>From ready to started</h2></header>
        <div className="body">
          <Chart label="Start latency" kind="lines" times={times} format={time} series={[
            { name: 'p50', tone: 'teal', values: highest((point) => point.startLatency?.p50) },
            { name: 'p95', tone: 'blue', values: highest((point) => point.startLatency?.p95) },
            { name: 'p99', tone: 'violet', values: highest((point) => point.startLatency?.p99) },
          ]} />
        </div>
      </section>
      <section className="card">
        <header><h2>Backlog</h2></header>
        <div className="body">
          <Chart label="Ready and running tasks" kind="lines" times={times} format={(value) => number(Math.round(value))} series={[
            { name: 'ready', tone: 'teal', values: highest((point) => point.ready) },
            { name: 'running', tone: 'blue', values: highest((point) => point.running) },
          ]} />
        </div>
      </section>
      <section className="card">
        <header><h2>Duration of attempts</h2></header>
        <div className="body">
          <Chart label="Duration of attempts" kind="lines" times={times} format={time} series={[
            { name: 'p50', tone: 'teal', values: highest((point) => point.duration?.p50) },
            { name: 'p95', tone: 'blue', values: highest((point) => point.duration?.p95) },
            { name: 'p99', tone: 'violet', values: highest((point) => point.duration?.p99) },
          ]} />
        </div>
      </section>
    </div>
  );
}

function Backlog({ stats }: { stats: Stats }) {
  const rows = [...stats.queues].sort((a, b) => (b.tasks.ready?.count ?? 0) - (a.tasks.ready?.count ?? 0)).slice(0, 8);
  if (rows.length === 0) return <Empty title="No queue has tasks" line="mainspring submit noop --queue email">A queue exists as soon as a task names it.</Empty>;
  return (
    <Wide label="Queues">
      <table className="plain">
        <thead>
          <tr><th>Queue</th><th>Tasks</th><th className="right">Ready</th><th className="right">Oldest waits</th></tr>
        </thead>
        <tbody>
          {rows.map((queue) => {
            const states = Object.fromEntries(Object.entries(queue.tasks).map(([state, count]) => [state, count.count]));
            const total = Object.values(states).reduce((a, b) => a + b, 0);
            return (
              <tr key={queue.name}>
                <td>
                  <Link href={`/tasks${query({ q: `queue:${queue.name}` })}`}>{queue.name}</Link> {queue.paused && <Status state="paused" />}
                </td>
                <td style={{ minWidth: 90 }}><StateBar states={states} total={total} /></td>
                <td className="right">{counted(queue.tasks.ready)}</td>
                <td className="right">{!queue.oldestReadySeconds ? '—' : span(queue.oldestReadySeconds * 1_000)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Wide>
  );
}

function Latest({ dead }: { dead: DeadLetters }) {
  if (dead.items.length === 0) {
    return <Empty title="Nothing has failed for good">A task comes here once its retries are used up, and can be mended and run again.</Empty>;
  }
  return (
    <Wide label="Latest dead letters">
      <table className="plain">
        <thead><tr><th>Task</th><th>Error</th><th className="right">When</th></tr></thead>
        <tbody>
          {dead.items.map((letter) => (
            <tr key={letter.id}>
              <td><Link href={taskHref(letter.taskId, letter.jobId)} className="mono">{letter.id}</Link></td>
              <td style={{ maxWidth: 260 }}>
                <div className={`cut ink tone-${look('failed').tone}`} title={letter.error?.message}>{letter.error?.message ?? letter.fingerprint}</div>
              </td>
              <td className="right"><Time at={letter.failedAt} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

