// Applies a new version of a definition or profile: as JSON, guarded against what others applied meanwhile.
import { useState } from 'react';
import { call, Refusal } from '../api/client';
import { printExact } from '../api/exact';
import type { Definition } from '../api/types';
import { quoted } from '../format';
import { Dialog } from '../parts/dialog';
import { Note, Shell, Trouble } from '../parts/basics';
import { toast } from '../parts/toast';
import { jsonTrouble } from './dead-letters';

const NOUN: Record<string, string> = { jobs: 'job', tasks: 'task', profiles: 'profile' };
const STARTS: Record<string, unknown> = { jobs: { tasks: { hello: 'echo hello' } }, tasks: { type: 'noop' }, profiles: { retries: 5, timeout: '10m' } };

interface Applied {
  version: number;
  unchanged?: boolean;
}

/** The command that applies the same. A name alone is a job's. */
export function applyLine(kind: string, name: string, text: string): string {
  const id = { jobs: 'job', tasks: 'taskId', profiles: 'profile' }[kind] ?? 'name';
  let body: Record<string, unknown> = {};
  try {
    body = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return 'mainspring apply FILE';
  }
  return `echo ${quoted(JSON.stringify({ [id]: name, ...body }))} | mainspring apply -`;
}

export function DefinitionForm({ kind, definition, onClose, onDone }: { kind: string; definition?: Definition; onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState(definition?.name ?? '');
  const [text, setText] = useState(printExact(definition?.body ?? STARTS[kind]));
  const [error, setError] = useState<Refusal | undefined>();
  const [busy, setBusy] = useState(false);
  const trouble = jsonTrouble(text);
  const line = applyLine(kind, name || 'NAME', text);
  const noun = NOUN[kind] ?? kind;
  const save = async () => {
    setBusy(true);
    try {
      const guard: Record<string, string> = definition ? { 'If-Match': `"${definition.version}"` } : { 'If-None-Match': '*' };
      const { version, unchanged } = await call<Applied>('PUT', `/api/v1/definitions/${kind}/${encodeURIComponent(name)}`, text, guard);
      toast({ tone: 'green', text: unchanged ? `${name} was the same already` : `Version ${version} of ${name} holds now`, line });
      onClose();
      onDone();
    } catch (reason) {
      setError(reason as Refusal);
      setBusy(false);
    }
  };
  return (
    <Dialog label={definition ? `Edit ${name}` : `New ${noun}`} onClose={onClose}>
      <form className="inside" onSubmit={(event) => { event.preventDefault(); void save(); }}>
        <h2>{definition ? <>Edit {noun} <span className="mono">{name}</span></> : `New ${noun}`}</h2>
        <p className="muted">{kind === 'profiles' ? 'Work that is accepted from now on takes these defaults; what was accepted stays as it is.' : 'Jobs that are made from now on follow it; those that were made keep their version.'}</p>
        {!definition && <label className="field"><span>Name</span><input required value={name} pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" maxLength={128} onChange={(event) => setName(event.target.value)} /></label>}
        <label className="field"><span>JSON</span><textarea spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} /></label>
        {trouble && <Note tone="amber">{trouble}</Note>}
        <Trouble error={error} />
        <Shell line={line} />
        <div className="ends">
          <button type="button" className="button" onClick={onClose}>Leave it</button>
          <button type="submit" className="button first" disabled={busy || trouble !== ''}>Apply</button>
        </div>
      </form>
    </Dialog>
  );
}
