// Applies a new version of a definition or profile, guarded against what others applied meanwhile: a definition as JSON, a
// profile by its fields, or as JSON by who prefers that.
import { useState } from 'react';
import { call, Refusal } from '../api/client';
import { parseExact, printExact } from '../api/exact';
import type { Definition } from '../api/types';
import { quoted } from '../format';
import { Dialog } from '../parts/dialog';
import { Note, Shell, Trouble } from '../parts/basics';
import { toast } from '../parts/toast';
import { jsonTrouble } from './dead-letters';
import { assignments, bodyOf, textsOf } from './profile-fields';
import { ProfileFields } from './profile-form';

const NOUN: Record<string, string> = { jobs: 'job', tasks: 'task', profiles: 'profile' };
const STARTS: Record<string, unknown> = { jobs: { tasks: { hello: 'echo hello' } }, tasks: { type: 'noop' }, profiles: {} };

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

type Body = Record<string, unknown>;

function parsed(text: string): Body {
  try {
    const value = parseExact(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : {};
  } catch {
    return {};
  }
}

/** The command that applies a profile: what differs, one field after the other. */
export function profileLine(name: string, before: Body, after: Body): string {
  return ['mainspring profiles set', quoted(name), ...assignments(before, after).map(quoted)].join(' ');
}

export function DefinitionForm({ kind, definition: given, onClose, onDone }: { kind: string; definition?: Definition; onClose: () => void; onDone: () => void }) {
  // The version that is edited is the one that was there when the form was opened, whatever comes meanwhile.
  const [definition] = useState(given);
  const [name, setName] = useState(definition?.name ?? '');
  const [text, setText] = useState(printExact(definition?.body ?? STARTS[kind]));
  const isProfile = kind === 'profiles';
  const [asJson, setAsJson] = useState(!isProfile);
  const [texts, setTexts] = useState(textsOf(parsed(text)));
  const [error, setError] = useState<Refusal | undefined>();
  const [busy, setBusy] = useState(false);
  const trouble = jsonTrouble(text);
  const before = (definition?.body ?? {}) as Body;
  const line = isProfile && !trouble ? profileLine(name || 'NAME', before, parsed(text)) : applyLine(kind, name || 'NAME', text);
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
        {isProfile && (
          <div className="filters" role="group" aria-label="Written as">
            <button type="button" className="choice" aria-pressed={!asJson} disabled={trouble !== ''} onClick={() => { setTexts(textsOf(parsed(text))); setAsJson(false); }}>Fields</button>
            <button type="button" className="choice" aria-pressed={asJson} onClick={() => setAsJson(true)}>JSON</button>
          </div>
        )}
        {asJson ? <label className="field"><span>JSON</span><textarea spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} /></label> : (
          <ProfileFields texts={texts} error={error} onChange={(now) => { setTexts(now); setText(printExact(bodyOf(parsed(text), now))); }} />
        )}
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
