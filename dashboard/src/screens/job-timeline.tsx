// The timeline of a job: one row for each task that ran, one bar for each attempt, on one axis of time.
import { useEffect, useMemo, useState } from 'react';
import { get, taskHref, type Refusal } from '../api/client';
import { usePaced } from '../api/resource';
import type { Attempt, Job, Page } from '../api/types';
import { span } from '../format';
import { useBatches } from '../live/live';
import { Empty, Skeleton, Status, Trouble, useNow } from '../parts/basics';
import { Table, type Column } from '../parts/table';
import { Link } from '../router';
import { look } from '../states';
import { lanes, type Lane } from './lanes';

/** Attempts that are read at most; more than anybody looks through. */
const ATTEMPTS_MAX = 20_000;

export function Timeline({ job }: { job: Job }) {
  const { jobId } = job;
  const [attempts, setAttempts] = useState<Attempt[] | undefined>();
  const [error, setError] = useState<Refusal | undefined>();
  const reload = usePaced(async () => {
    try {
      const all: Attempt[] = [];
      let cursor: string | undefined = '';
      while (cursor !== undefined && all.length < ATTEMPTS_MAX) {
        const page: Page<Attempt> = await get(`/api/v1/jobs/${encodeURIComponent(jobId)}/attempts?limit=1000${cursor && `&cursor=${cursor}`}`);
        all.push(...page.items);
        cursor = page.nextCursor;
      }
      setAttempts(all);
    } catch (reason) {
      setError(reason as Refusal);
    }
  }, 1_500);
  useEffect(reload, [jobId, reload]);
  useBatches((batch) => {
    if (batch.resync || batch.events.some((event) => event.jobId === jobId)) reload();
  });
  const rows = useMemo(() => lanes(attempts ?? []), [attempts]);
  const now = useNow();
  const from = rows[0]?.start ?? 0;
  const running = rows.some((lane) => lane.end === undefined);
  const to = Math.max(running ? now : 0, ...rows.map((lane) => lane.end ?? 0), from + 1);
  const columns = useMemo<Column<Lane>[]>(() => {
    const share = (at: number) => (100 * (at - from)) / (to - from);
    return [
      { title: 'Task', width: 'minmax(90px, 220px)', cell: (lane) => <Link href={taskHref(lane.taskId, jobId)} className="mono">{lane.taskId}</Link> },
      { title: 'Status', width: '100px', from: 620, cell: (lane) => <Status state={lane.attempts.at(-1)?.status ?? 'pending'} /> },
      {
        title: `Attempts, over ${span(to - from)}`,
        width: 'minmax(120px, 1fr)',
        cell: (lane) => (
          <div className="lane">
            {lane.attempts.map((attempt, index) => {
              const start = Date.parse(attempt.startTime);
              const end = attempt.endTime ? Date.parse(attempt.endTime) : to;
              const last = index === lane.attempts.length - 1;
              return <i key={attempt.attempt} className={`tone-${look(attempt.status).tone}${last ? '' : ' try'}`} title={`attempt ${attempt.attempt}: ${attempt.status}, ${span(end - start)}`} style={{ left: `min(${share(start)}%, 100% - 3px)`, width: `${share(end) - share(start)}%` }} />;
            })}
          </div>
        ),
      },
      { title: 'Starts after', width: '88px', right: true, from: 760, cell: (lane) => span(lane.start - from) },
      { title: 'Took', width: '80px', right: true, from: 420, cell: (lane) => span((lane.end ?? to) - lane.start) },
    ];
  }, [from, to, jobId]);
  if (error) return <Trouble error={error} />;
  return (
    <Table className="gantt" label={`Timeline of ${jobId}`} columns={columns} rowHeight={30} count={rows.length} at={(index) => rows[index]} keyOf={(lane) => lane.taskId}
      href={(lane) => taskHref(lane.taskId, jobId)} version={rows.length}
      empty={attempts ? <Empty title="Nothing has run yet">Each attempt becomes a bar here as soon as it starts.</Empty> : <Skeleton lines={8} />}
      foot={<><span>{rows.length} tasks ran</span>{(attempts?.length ?? 0) >= ATTEMPTS_MAX && <span>the first {ATTEMPTS_MAX} attempts are shown</span>}</>} />
  );
}
