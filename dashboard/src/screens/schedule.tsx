// One schedule: why it does what it does, when it is due next, what became of each instant, and what can be ordered.
import { useState } from 'react';
import { backfillSchedule, deleteSchedule, pauseSchedule, stopBackfill, triggerSchedule } from '../actions';
import { jobHref, taskHref } from '../api/client';
import { printExact } from '../api/exact';
import { usePages } from '../api/pages';
import { useResource } from '../api/resource';
import type { Event, Occurrence, Page, Schedule as ScheduleType, Upcoming } from '../api/types';
import { number, quoted } from '../format';
import { ActButton, ActionDialog, AskButton } from '../parts/dialog';
import { Copy, Empty, Note, Sentence, Shell, Skeleton, Status, Time, Trouble, Wide } from '../parts/basics';
import { Table, type Column } from '../parts/table';
import { Link, navigate } from '../router';
import { ScheduleForm } from './schedule-form';
import { ofSchedules, stateOfSchedule, workOf } from './schedules';
import { changeWords, knowsZone, zoned } from './zoned';

/** Instants to come that are shown; more on request. */
const COMING = [10, 100];

export function Schedule({ name }: { name: string }) {
  const path = `/api/v1/schedules/${encodeURIComponent(name)}`;
  const { data: schedule, error, reload } = useResource<ScheduleType>(path, ofSchedules);
  const [open, setOpen] = useState<'edit' | 'backfill' | undefined>();
  if (!schedule) return <div className="screen"><div className="head"><h1 className="mono">{name}</h1></div>{error ? <Trouble error={error} /> : <div className="card"><Skeleton /></div>}</div>;
  const zone = typeof schedule.spec.timezone === 'string' && knowsZone(schedule.spec.timezone) ? schedule.spec.timezone : 'UTC';
  const follows = schedule.spec.after !== undefined;
  return (
    <div className="screen">
      <div className="head">
        <Status state={stateOfSchedule(schedule)} pill />
        <h1 className="mono">{name}</h1>
        <div className="actions">
          <AskButton first action={triggerSchedule(name, reload)} />
          <ActButton action={pauseSchedule(name, !schedule.paused, reload)} />
          {!follows && <button type="button" className="button" onClick={() => setOpen('backfill')}>Backfill …</button>}
          <button type="button" className="button" disabled={schedule.ofDefinition} onClick={() => setOpen('edit')}>Edit …</button>
          <AskButton disabled={schedule.ofDefinition} action={deleteSchedule(name, () => navigate('/schedules'))} />
        </div>
      </div>
      {schedule.ofDefinition && <Note icon="definitions">The definition <Link href={workOf(schedule).href ?? '/definitions'} style={{ textDecoration: 'underline' }}>{name}</Link> installs it, and alone may change or delete it.</Note>}
      <Why path={path} />
      <Facts schedule={schedule} zone={zone} />
      {schedule.backfill && <Backfilling schedule={schedule} reload={reload} />}
      <div className="grid two">
        {follows ? <section className="card"><header><h2>Next runs</h2></header><div className="body muted">It follows jobs: when they end is not known before.</div></section> : <Coming path={path} name={name} zone={zone} paused={schedule.paused} />}
        <section className="card">
          <header><h2>As it was written</h2><span className="rest"><Copy text={printExact(schedule.spec)} what="the schedule" /></span></header>
          <div className="body"><pre className="code" tabIndex={0}>{printExact(schedule.spec)}</pre></div>
        </section>
      </div>
      <History path={path} name={name} />
      {open === 'edit' && <ScheduleForm schedule={schedule} onClose={() => setOpen(undefined)} onDone={reload} />}
      {open === 'backfill' && <Backfill name={name} until={schedule.coveredUntil} reload={reload} onClose={() => setOpen(undefined)} />}
    </div>
  );
}

function Why({ path }: { path: string }) {
  const { data } = useResource<{ reason: string }>(`${path}/why`, ofSchedules);
  return data ? <Note tone="blue" icon="help"><Sentence text={data.reason} /></Note> : null;
}

function Work({ id, isTask }: { id: string; isTask: boolean }) {
  return <Link href={isTask ? taskHref(id) : jobHref(id)} className="mono">{id}</Link>;
}

function Facts({ schedule, zone }: { schedule: ScheduleType; zone: string }) {
  const work = workOf(schedule);
  const { spec, running } = schedule;
  const isTask = spec.job === undefined;
  const facts: [string, React.ReactNode][] = [
    ['Due', schedule.description],
    ['Zone', zone],
    ['Submits', work.href ? <Link href={work.href} className="mono">{work.words}</Link> : work.words],
    ['Next', <Time at={schedule.nextDue} />],
    ['Last', <Time at={schedule.lastInstant} />],
    ['If work still runs', String(spec.overlap ?? 'skip').replaceAll('_', ' ')],
    ['After an outage', String(spec.misfire ?? 'latest')],
    ['Generation', schedule.generation],
  ];
  if (running.length > 0) facts.push(['Runs now', running.slice(0, 5).map((id) => <span key={id} className="chip"><Work id={id} isTask={isTask} /></span>)]);
  if (schedule.buffered) facts.push(['Waits for that to end', <Time at={schedule.buffered} />]);
  return <dl className="facts">{facts.map(([title, value]) => <div key={title}><dt>{title}</dt><dd>{value}</dd></div>)}</dl>;
}

function Backfilling({ schedule, reload }: { schedule: ScheduleType; reload: () => void }) {
  const { backfill, name } = schedule;
  if (!backfill) return null;
  return (
    <Note tone="amber" icon="running">
      A backfill has submitted {number(backfill.fired)} and is done up to <Time at={backfill.doneUntil} precise />; it goes to <Time at={backfill.to} precise />, {backfill.concurrency} side by side.{' '}
      <AskButton tiny action={stopBackfill(name, reload)} />
    </Note>
  );
}

function Coming({ path, name, zone, paused }: { path: string; name: string; zone: string; paused: boolean }) {
  const [count, setCount] = useState(COMING[0] ?? 10);
  const { data, error } = useResource<Page<Upcoming>>(`${path}/next?n=${count}`, ofSchedules);
  const rows = zoned((data?.items ?? []).map((next) => next.at), zone);
  const jitters = data?.items.some((next) => next.due) ?? false;
  const line = `mainspring schedules next ${quoted(name)} -n ${count}`;
  return (
    <section className="card">
      <header><h2>Next runs</h2><span className="muted small">{paused ? 'if it were not paused' : `on the clock of ${zone}`}</span></header>
      <Trouble error={error} />
      {!data ? !error && <Skeleton /> : rows.length === 0 ? <Empty title="It is never due again" /> : (
        <Wide label="Next runs">
          <table className="plain">
            <thead><tr><th>Local time</th><th>Offset</th><th className="right">From now</th>{jitters && <th className="right">With jitter</th>}</tr></thead>
            <tbody>
              {rows.map((row, index) => (
                <tr key={row.at} data-changed={row.changed || undefined}>
                  <td className="mono nowrap">{row.local}</td>
                  <td className="nowrap">{row.offset}{row.changed !== 0 && <> <span className="chip tone-amber" style={{ color: 'var(--tone)' }}>{changeWords(row.changed)}</span></>}</td>
                  <td className="right"><Time at={row.at} /></td>
                  {jitters && <td className="right"><Time at={data.items[index]?.due} precise /></td>}
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
      <div className="body grid tight" style={{ paddingTop: 12 }}>
        <Shell line={line} />
        {rows.length === count && count < (COMING[1] ?? 100) && <button type="button" className="button bare tiny" onClick={() => setCount(COMING[1] ?? 100)}>Show {COMING[1]}</button>}
      </div>
    </section>
  );
}

const REASONS: Record<string, string> = {
  missed: 'the server was away', burst_cap: 'too many to catch up with', overlap: 'earlier work still ran', paused: 'it was paused', edited: 'the schedule was changed', deleted: 'the schedule was deleted', invalid: 'its work is not valid',
};
const LOOKS: Record<string, string> = { fired: 'completed', coalesced: 'skipped', skipped: 'skipped' };

const COLUMNS: Column<Occurrence>[] = [
  { title: 'Instant', width: 'minmax(96px, 180px)', cell: (each) => <Time at={each.instant} precise /> },
  { title: 'Outcome', width: '110px', cell: (each) => <Status state={LOOKS[each.status] ?? each.status} word={each.status} /> },
  { title: 'Submitted', width: 'minmax(80px, 1fr)', cell: (each) => (each.jobId ? <Work id={each.jobId} isTask={false} /> : each.taskId ? <Work id={each.taskId} isTask /> : <span className="muted">{each.detail ?? REASONS[each.reason ?? ''] ?? each.reason ?? 'one run stands for several'}</span>) },
  { title: 'Up to', width: '180px', from: 780, cell: (each) => (each.until ? <Time at={each.until} precise /> : <span className="muted">—</span>) },
  { title: 'Came by', width: '84px', from: 620, cell: (each) => each.cause },
];

function History({ path, name }: { path: string; name: string }) {
  const affects = (event: Event) => ofSchedules(event);
  const pages = usePages<Occurrence>(`${path}/occurrences`, (each) => `${each.instant} ${each.cause} ${each.jobId ?? each.taskId ?? each.status}`, affects);
  return (
    <section className="log-section" aria-label="History">
      <h2>What became of each instant</h2>
      <Trouble error={pages.error} />
      <Table className="inner" label={`Occurrences of ${name}`} columns={COLUMNS} count={pages.count} at={pages.at} keyOf={(each) => `${each.instant} ${each.cause} ${each.jobId ?? each.taskId ?? each.status}`}
        onShow={pages.show} version={pages.version} empty={pages.loading ? <Skeleton lines={4} /> : <Empty title="Nothing was due yet">Every instant leaves a record here: fired, or passed over and why.</Empty>}
        foot={<code className="cut" data-cli>mainspring schedules occurrences {quoted(name)}</code>} />
    </section>
  );
}

/** The text of a field for local times, of an instant. */
const field = (instant: number) => new Date(instant - new Date(instant).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
const DAY_MS = 86_400_000;

function Backfill({ name, until, reload, onClose }: { name: string; until: string; reload: () => void; onClose: () => void }) {
  const [from, setFrom] = useState(field(Date.parse(until) - DAY_MS));
  const [to, setTo] = useState(field(Date.parse(until)));
  const [concurrency, setConcurrency] = useState('1');
  const instant = (text: string) => (text === '' ? '' : new Date(text).toISOString());
  const action = backfillSchedule(name, { from: instant(from), to: instant(to), concurrency: Number(concurrency) }, reload);
  return (
    // Another range is another question, so the dialog counts anew.
    <ActionDialog action={action} onClose={onClose} again={`${from} ${to}`}>
      <div className="grid two tight">
        <label className="field"><span>From, in your time</span><input type="datetime-local" value={from} required onChange={(event) => setFrom(event.target.value)} /></label>
        <label className="field"><span>To</span><input type="datetime-local" value={to} required onChange={(event) => setTo(event.target.value)} /></label>
      </div>
      <label className="field"><span>Side by side</span><input type="number" min={1} max={100} value={concurrency} onChange={(event) => setConcurrency(event.target.value)} /></label>
    </ActionDialog>
  );
}
