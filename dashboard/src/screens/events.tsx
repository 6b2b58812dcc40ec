// What happens, as it happens: the newest events that this page has heard of, filtered by kind and text.
import { useMemo, useState } from 'react';
import { jobHref, taskHref } from '../api/client';
import type { Event } from '../api/types';
import { words } from '../format';
import { useLive } from '../live/live';
import { Empty, Skeleton, Status, Time } from '../parts/basics';
import { Table, type Column } from '../parts/table';
import { Link, useParam } from '../router';
import { JOB_STATES, TASK_STATES } from '../states';

const STATE_OF: Record<string, string> = { success: 'completed', failure: 'failed', submitted: 'pending' };
const KNOWN = new Set([...TASK_STATES, ...JOB_STATES]);

function Kind({ event }: { event: Event }) {
  const state = STATE_OF[event.status] ?? event.status;
  return <Status state={KNOWN.has(state) ? state : event.status} word={words(event.eventType)} />;
}

function About({ event }: { event: Event }) {
  if (event.taskId) return <Link href={taskHref(event.taskId, event.jobId)} className="mono">{event.taskId}</Link>;
  if (event.jobId) return <Link href={jobHref(event.jobId)} className="mono">{event.jobId}</Link>;
  return <span className="mono">{event.queue ?? event.workerId ?? '—'}</span>;
}

const detail = (event: Event) => [event.attempt && `attempt ${event.attempt}`, event.taskId && event.workerId && `on ${event.workerId}`, event.message].filter(Boolean).join(' · ');

const COLUMNS: Column<Event>[] = [
  { title: 'When', width: 'time', cell: (event, brief) => <Time at={event.timestamp} brief={brief} /> },
  { title: 'What', width: 'minmax(116px, 180px)', cell: (event) => <Kind event={event} /> },
  { title: 'About', width: 'minmax(80px, 1.200fr)', cell: (event) => <About event={event} /> },
  { title: 'Job', width: 'minmax(80px, 1fr)', from: 720, cell: (event) => (event.jobId && event.taskId ? <Link href={jobHref(event.jobId)} className="mono muted">{event.jobId}</Link> : <span className="muted">—</span>) },
  { title: 'Detail', width: 'minmax(100px, 1.500fr)', from: 560, cell: (event) => <span className="muted" title={detail(event)}>{detail(event)}</span> },
];

export function EventTable({ events, reading, label, line, withJob = true }: { events: Event[]; reading: boolean; label: string; line: string; withJob?: boolean }) {
  const columns = useMemo(() => COLUMNS.filter((column) => withJob || column.title !== 'Job'), [withJob]);
  return (
    <Table label={label} columns={columns} rowHeight={32} count={events.length} at={(index) => events[index]} keyOf={(event) => event.eventId}
      empty={reading ? <Skeleton lines={8} /> : <Empty title="Nothing has happened yet" line={line}>Events appear here the moment they are committed.</Empty>}
      foot={<><span>{events.length.toLocaleString('en')} events</span><code style={{ marginLeft: 'auto' }} className="cut" data-cli={line}>{line}</code></>} />
  );
}

const KINDS: [string, string][] = [['', 'all'], ['TASK', 'tasks'], ['JOB', 'jobs'], ['QUEUE', 'queues'], ['WORKER', 'workers']];

export function Events() {
  const recent = useLive((live) => live.recent);
  const [kind, setKind] = useParam('kind');
  const [text, setText] = useParam('text');
  const [held, setHeld] = useState<Event[] | undefined>();
  const source = held ?? recent;
  const shown = useMemo(() => {
    const wanted = text.toLowerCase();
    const fits = (event: Event) => event.eventType.startsWith(kind) && (wanted === '' || JSON.stringify(event).toLowerCase().includes(wanted));
    return source.filter(fits);
  }, [source, kind, text]);
  return (
    <div className="screen fill">
      <div className="head">
        <h1>Events</h1>
        <div className="search">
          <input data-search aria-label="Filter events" style={{ paddingLeft: 12 }} placeholder="any text of an event" value={text} onChange={(event) => setText(event.target.value)} />
        </div>
        <button type="button" className="button" aria-pressed={held !== undefined} onClick={() => setHeld(held ? undefined : recent)}>{held ? 'Go on' : 'Hold'}</button>
      </div>
      <div className="filters" role="group" aria-label="Kinds of events">
        {KINDS.map(([word, title]) => (
          <button key={title} type="button" className="choice" aria-pressed={kind === word} onClick={() => setKind(word)}>{title}</button>
        ))}
      </div>
      <EventTable events={shown} reading={false} label="Events" line="mainspring events --follow" />
    </div>
  );
}
