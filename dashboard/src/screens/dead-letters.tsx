// Dead letters by what went wrong: look at one, mend its payload, run them again, or let them go.
import { useState } from 'react';
import { bulk, deadLetters } from '../actions';
import { call, query, Refusal, taskHref, taskPath } from '../api/client';
import { printExact } from '../api/exact';
import { useResource } from '../api/resource';
import type { DeadGroup, DeadLetter, DeadLetters as Letters, Event, Task } from '../api/types';
import { number, quoted } from '../format';
import { AskButton, Dialog } from '../parts/dialog';
import { Empty, Note, Shell, Skeleton, Status, Time, Trouble } from '../parts/basics';
import { Search } from '../parts/search';
import { toast } from '../parts/toast';
import { Link, useParam } from '../router';

/** Letters that are grouped: the newest. */
const READ = 1_000;
/** Letters of a group that are named. */
const NAMED = 5;

const changes = (event: Event) => event.eventType === 'TASK_DEAD' || event.eventType === 'TASK_READY' || event.eventType === 'JOB_STARTED';

export function DeadLetters() {
  const [q, setQ] = useParam('q');
  const { data, error, reload } = useResource<Letters>(`/api/v1/dead-letters${query({ q, limit: READ })}`, changes);
  return (
    <div className="screen">
      <div className="head">
        <h1>Dead letters</h1>
        <Search label="Search dead letters" scope="tasks" value={q} onChange={setQ} />
      </div>
      <p className="muted">Tasks that failed for good, by what went wrong. They wait here until somebody runs them again or lets them go.</p>
      <div className="filters" role="group" aria-label="Bulk actions">
        <span className="muted small">{q === '' ? 'All:' : 'All that match:'}</span>
        <AskButton tiny action={{ ...bulk('dead-letters', 'redrive', q, reload), verb: 'Redrive all' }} />
        <AskButton tiny action={{ ...bulk('dead-letters', 'discard', q, reload), verb: 'Discard all' }} />
      </div>
      <Trouble error={error} />
      {!data && !error && <div className="card"><Skeleton lines={6} /></div>}
      {data && data.items.length === 0 && (
        <div className="card">
          <Empty title={q === '' ? 'No dead letters' : 'No dead letter matches'} line={q === '' ? 'mainspring dlq list' : undefined}>
            A task comes here once its retries are used up. Tasks with the same kind of error are shown as one group.
          </Empty>
        </div>
      )}
      {data && data.items.length > 0 && (
        <div className="card">
          <ul className="group-list">
            {data.groups.map((group) => <Group key={group.fingerprint} group={group} letters={data.items} reload={reload} />)}
          </ul>
        </div>
      )}
      {data?.nextCursor && <Note>Grouped are the newest {number(READ)}; there are more. Redrive or discard all acts on every one that matches.</Note>}
    </div>
  );
}

function Group({ group, letters, reload }: { group: DeadGroup; letters: DeadLetter[]; reload: () => void }) {
  const [spacing, setSpacing] = useState('');
  const [open, setOpen] = useState(false);
  const ids = new Set(group.ids);
  const mine = letters.filter((letter) => ids.has(letter.id));
  const shown = open ? mine : mine.slice(0, NAMED);
  const spread = (
    <label className="field">
      <span>Time between two starts</span>
      <input placeholder="none; for example 500ms or 2s" value={spacing} onChange={(event) => setSpacing(event.target.value.trim())} />
    </label>
  );
  return (
    <li data-group={group.fingerprint}>
      <div className="head">
        <Status state="failed" word={`${number(group.count)}×`} />
        <h2 className="mono" style={{ overflowWrap: 'anywhere', minWidth: 0 }}>{group.fingerprint}</h2>
        <div className="actions">
          <AskButton tiny action={deadLetters('redrive', group.ids, spacing, reload)}>{spread}</AskButton>
          <AskButton tiny action={deadLetters('discard', group.ids, '', reload)} />
        </div>
      </div>
      <span className="muted small">first <Time at={group.firstAt} />, last <Time at={group.lastAt} /></span>
      <ul className="grid" style={{ gap: 4 }}>
        {shown.map((letter) => <Letter key={letter.id} letter={letter} reload={reload} />)}
      </ul>
      {mine.length > NAMED && (
        <div><button type="button" className="button bare tiny" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? 'Show fewer' : `Show all ${mine.length}`}</button></div>
      )}
    </li>
  );
}

function Letter({ letter, reload }: { letter: DeadLetter; reload: () => void }) {
  const [editing, setEditing] = useState(false);
  return (
    <li className="head" style={{ minHeight: 28 }}>
      <Link href={taskHref(letter.taskId, letter.jobId)} className="mono">{letter.id}</Link>
      <span className="chip">{letter.queue}</span>
      <span className="muted cut" style={{ flex: '1 1 120px' }} title={letter.error?.message}>{letter.error?.message}</span>
      <span className="muted small"><Time at={letter.failedAt} /></span>
      <button type="button" className="button bare tiny" onClick={() => setEditing(true)} aria-label={`Edit payload of ${letter.id}`}>Edit payload</button>
      {editing && <Edit letter={letter} reload={reload} onClose={() => setEditing(false)} />}
    </li>
  );
}

/** What is wrong with a text as JSON, in words; empty if nothing is. */
export function jsonTrouble(text: string): string {
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function Edit({ letter, reload, onClose }: { letter: DeadLetter; reload: () => void; onClose: () => void }) {
  const task = useResource<Task>(taskPath(letter.taskId, letter.jobId));
  const before = task.data ? printExact(task.data.payload ?? null) : undefined;
  const [text, setText] = useState<string | undefined>();
  const [error, setError] = useState<Refusal | undefined>();
  const [busy, setBusy] = useState(false);
  const shown = text ?? before ?? '';
  const trouble = before === undefined ? '' : jsonTrouble(shown);
  const line = `mainspring dlq edit ${quoted(letter.id)} --payload ${quoted(shown.replace(/\s+/g, ' '))}`;
  const path = `/api/v1/dead-letters/${letter.jobId ? `${encodeURIComponent(letter.jobId)}/` : ''}${encodeURIComponent(letter.taskId)}`;
  const save = async (redrive: boolean) => {
    setBusy(true);
    try {
      // The text goes as it was written: numbers keep their digits.
      await call('PATCH', path, `{"payload": ${shown}}`);
      if (redrive) await call('POST', '/api/v1/dead-letters/redrive', { ids: [letter.id] });
      toast({ tone: 'green', text: redrive ? `${letter.id} was mended and runs again` : `The payload of ${letter.id} was replaced`, line });
      reload();
      onClose();
    } catch (reason) {
      setError(reason as Refusal);
      setBusy(false);
    }
  };
  return (
    <Dialog label={`Payload of ${letter.id}`} onClose={onClose}>
      <form className="inside" onSubmit={(event) => { event.preventDefault(); void save(false); }}>
        <h2>Payload of <span className="mono">{letter.id}</span></h2>
        <label className="field">
          <span>JSON</span>
          <textarea spellCheck={false} value={shown} disabled={before === undefined} onChange={(event) => setText(event.target.value)} />
        </label>
        {trouble && <Note tone="amber">{trouble}</Note>}
        <Trouble error={error ?? task.error} />
        <Shell line={line} />
        <div className="ends">
          <button type="button" className="button" onClick={onClose}>Leave it</button>
          <button type="submit" className="button" disabled={busy || trouble !== '' || text === undefined}>Save</button>
          <button type="button" className="button first" disabled={busy || trouble !== ''} onClick={() => void save(true)}>Save and redrive</button>
        </div>
      </form>
    </Dialog>
  );
}

