// Schedules: what is due when, what it submits, and whether it does.
import { useState } from 'react';
import { pauseSchedule, triggerSchedule } from '../actions';
import { useResource } from '../api/resource';
import type { Event, Page, Schedule } from '../api/types';
import { ActButton, AskButton } from '../parts/dialog';
import { Empty, Note, Skeleton, Status, Time, Trouble, Wide } from '../parts/basics';
import { Link, navigate } from '../router';
import { ScheduleForm } from './schedule-form';

export const scheduleHref = (name: string) => `/schedules/${encodeURIComponent(name)}`;
export const ofSchedules = (event: Event) => event.eventType.startsWith('SCHEDULE_') || /^JOB_(COMPLETE|FAILED|CANCELLED)$/.test(event.eventType);

/** Schedules that are listed at once. */
const LISTED = 1_000;

/** How a schedule is, in one word. */
export function stateOfSchedule(schedule: Schedule): string {
  if (schedule.paused) return 'paused';
  if (schedule.finished) return 'finished';
  return schedule.running.length > 0 ? 'running' : 'scheduled';
}

/** What a schedule submits, in words, and where to see it. */
export function workOf(schedule: Schedule): { words: string; href?: string } {
  const { job, task } = schedule.spec;
  if (typeof job === 'string') return { words: job, href: `/definitions/jobs/${encodeURIComponent(job)}` };
  if (job) return { words: 'a job of its own' };
  const type = (task as { type?: string } | undefined)?.type;
  return { words: type ? `a task of type ${type}` : 'a task' };
}

export function Schedules() {
  const { data, error, reload } = useResource<Page<Schedule>>(`/api/v1/schedules?limit=${LISTED}`, ofSchedules);
  const [making, setMaking] = useState(false);
  return (
    <div className="screen">
      <div className="head">
        <h1>Schedules</h1>
        <div className="actions"><button type="button" className="button first" onClick={() => setMaking(true)}>New schedule …</button></div>
      </div>
      <Trouble error={error} />
      <Wide card label="Schedules">
        {!data ? !error && <Skeleton /> : data.items.length === 0 ? (
          <Empty title="No schedule yet" line="mainspring schedules create nightly --cron '0 2 * * *' --timezone Europe/Berlin --job report">A schedule submits a job or a task whenever it is due, also across changes of the clock.</Empty>
        ) : (
          <table className="plain">
            <thead><tr><th>Schedule</th><th>State</th><th>Due</th><th>Submits</th><th className="right">Next</th><th className="right">Last</th><th><span className="unseen">Actions</span></th></tr></thead>
            <tbody>{data.items.map((schedule) => <Row key={`${schedule.userId} ${schedule.name}`} schedule={schedule} reload={reload} />)}</tbody>
          </table>
        )}
      </Wide>
      {data?.nextCursor && <Note>Listed are the first {LISTED}; there are more: <code>mainspring schedules list</code>.</Note>}
      {making && <ScheduleForm onClose={() => setMaking(false)} onDone={(name) => navigate(scheduleHref(name))} />}
    </div>
  );
}

function Row({ schedule, reload }: { schedule: Schedule; reload: () => void }) {
  const work = workOf(schedule);
  return (
    <tr>
      <td><Link href={scheduleHref(schedule.name)} className="mono">{schedule.name}</Link></td>
      <td><Status state={stateOfSchedule(schedule)} /></td>
      <td style={{ minWidth: 180 }}>{schedule.description}</td>
      <td>{work.href ? <Link href={work.href} className="mono">{work.words}</Link> : work.words}</td>
      <td className="right"><Time at={schedule.nextDue} /></td>
      <td className="right"><Time at={schedule.lastInstant} /></td>
      <td className="right nowrap">
        <ActButton tiny action={pauseSchedule(schedule.name, !schedule.paused, reload)} />{' '}
        <AskButton tiny action={triggerSchedule(schedule.name, reload)} />
      </td>
    </tr>
  );
}
