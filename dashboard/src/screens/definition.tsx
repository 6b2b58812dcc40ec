// One definition or profile: its versions, what differs between any two of them, who uses it, and what can be ordered.
import { useState } from 'react';
import { deleteDefinition, rollBack } from '../actions';
import { query } from '../api/client';
import { printExact } from '../api/exact';
import { useResource } from '../api/resource';
import type { Definition as DefinitionType, Page } from '../api/types';
import { quoted } from '../format';
import { AskButton } from '../parts/dialog';
import { Note, Shell, Skeleton, Time, Trouble } from '../parts/basics';
import { Link, useParam } from '../router';
import { DefinitionForm } from './definition-form';
import { newest } from './definitions';
import { diff, paired, type DiffLine } from './diff';
import { usersOf } from './profile-users';
import { RunForm } from './run-form';

const WORDS: Record<string, string> = { jobs: 'job', tasks: 'task', profiles: 'profile' };

/** The name of a definition for the command line, where a name alone is a job's. */
export const cliName = (kind: string, name: string) => quoted(kind === 'jobs' ? name : `${kind}/${name}`);

export function Definition({ kind, name }: { kind: string; name: string }) {
  const path = `/api/v1/definitions/${kind}/${encodeURIComponent(name)}`;
  const { data, error, reload } = useResource<Page<DefinitionType>>(`${path}/versions`);
  const [shown, setShown] = useParam('version');
  const [against, setAgainst] = useParam('against');
  const [open, setOpen] = useState<'run' | 'edit' | undefined>();
  if (!data) return <div className="screen"><div className="head"><h1 className="mono">{name}</h1></div>{error ? <Trouble error={error} /> : <Skeleton />}</div>;
  const versions = data.items.toSorted((a, b) => b.version - a.version);
  const [latest] = versions;
  const version = versions.find((each) => String(each.version) === shown) ?? latest;
  const earlier = versions[versions.findIndex((each) => each === version) + 1];
  const before = versions.find((each) => String(each.version) === against && each !== version) ?? earlier;
  const deleted = latest?.body === null;
  const restore = version && version !== latest && version.body !== null;
  return (
    <div className="screen">
      <div className="head">
        <h1 className="mono">{name}</h1>
        <span className="chip">{WORDS[kind] ?? kind}</span>
        <div className="actions">
          {kind === 'jobs' && <button type="button" className="button first" disabled={deleted} onClick={() => setOpen('run')}>Run …</button>}
          {kind === 'jobs' && <Link className="button" href={`/jobs${query({ q: `name:${name}` })}`}>Its jobs</Link>}
          {restore && <AskButton action={rollBack(kind, name, version.version, reload)} />}
          <button type="button" className="button" disabled={deleted} onClick={() => setOpen('edit')}>Edit …</button>
          <AskButton disabled={deleted} action={deleteDefinition(kind, name, reload)} />
        </div>
      </div>
      {deleted && <Note tone="amber">It was deleted; its versions stay, and each can be applied again.</Note>}
      <div className="grid side-by-side">
        <div className="card pick" role="group" aria-label="Versions" tabIndex={0}>
          {versions.map((each) => (
            <button key={each.version} type="button" aria-pressed={each === version} onClick={() => setShown(String(each.version))}>
              <span>Version {each.version}</span>
              <span className="muted small" style={{ marginLeft: 'auto', textAlign: 'right' }}>{each.body === null ? 'deleted ' : ''}<Time at={each.appliedAt} />{each.appliedBy && <><br />{each.appliedBy}</>}</span>
            </button>
          ))}
        </div>
        {version && <Version kind={kind} version={version} before={before} versions={versions} setAgainst={setAgainst} />}
      </div>
      {kind === 'profiles' && <Users profile={name} />}
      {open === 'run' && latest && <RunForm definition={latest} onClose={() => setOpen(undefined)} />}
      {open === 'edit' && latest && <DefinitionForm kind={kind} definition={latest} onClose={() => setOpen(undefined)} onDone={() => { setShown(''); reload(); }} />}
    </div>
  );
}

interface VersionProps {
  kind: string;
  version: DefinitionType;
  before: DefinitionType | undefined;
  versions: DefinitionType[];
  setAgainst: (version: string) => void;
}

/** Two columns need room. */
const NARROW = '(max-width: 700px)';
const VIEWS = [['sides', 'Side by side'], ['lines', 'In one column'], ['whole', 'Whole']] as const;

function Version({ kind, version, before, versions, setAgainst }: VersionProps) {
  const [chosen, setView] = useParam('view');
  const view = before ? chosen || (matchMedia(NARROW).matches ? 'lines' : 'sides') : 'whole';
  const text = version.body === null ? '' : printExact(version.body);
  const lines = before ? diff(before.body === null ? '' : printExact(before.body), text) : [];
  const changed = lines.some((line) => line.kind !== 'same');
  const line = before && view !== 'whole' ? `mainspring definitions diff ${cliName(kind, version.name)} --from ${before.version} --to ${version.version}` : `mainspring definitions get ${cliName(kind, version.name)} --version ${version.version}`;
  return (
    <section className="card" data-version={version.version} style={{ minWidth: 0 }}>
      <header>
        <h2>{view === 'whole' || !before ? `Version ${version.version}` : `What version ${version.version} changed`}</h2>
        {before && view !== 'whole' && (
          <label className="choice button tiny">
            since version
            <select value={before.version} onChange={(event) => setAgainst(event.target.value)}>
              {versions.filter((each) => each !== version).map((each) => <option key={each.version} value={each.version}>{each.version}</option>)}
            </select>
          </label>
        )}
        {before && (
          <span className="rest filters" role="group" aria-label="How it is shown">
            {VIEWS.map(([word, title]) => <button key={word} type="button" className="choice" aria-pressed={view === word} onClick={() => setView(word)}>{title}</button>)}
          </span>
        )}
      </header>
      <div className="body grid">
        {view === 'whole' ? <pre className="code" tabIndex={0} style={{ maxHeight: 'none' }}>{text || 'deleted'}</pre>
          : !changed ? <p className="muted">Nothing differs.</p>
          : view === 'lines' ? <Lines lines={lines} /> : <Sides lines={lines} />}
        <Shell line={line} />
      </div>
    </section>
  );
}

const SIGNS = { add: '+ ', del: '− ', same: '  ' };

function Lines({ lines }: { lines: DiffLine[] }) {
  return (
    <pre className="code diff" tabIndex={0} style={{ maxHeight: 'none' }}>
      {lines.map((line, index) => <span key={index} className={line.kind}>{SIGNS[line.kind]}{line.text}</span>)}
    </pre>
  );
}

function Sides({ lines }: { lines: DiffLine[] }) {
  const side = (line: DiffLine | undefined) => (line ? <span className={line.kind}>{SIGNS[line.kind]}{line.text}</span> : <span className="gone"> </span>);
  return (
    <div className="code diff sides" role="region" aria-label="Before and after" tabIndex={0}>
      {paired(lines).map(([left, right], index) => <div key={index}>{side(left)}{side(right)}</div>)}
    </div>
  );
}

function Users({ profile }: { profile: string }) {
  const jobs = useResource<Page<DefinitionType>>('/api/v1/definitions/jobs');
  const tasks = useResource<Page<DefinitionType>>('/api/v1/definitions/tasks');
  if (!jobs.data || !tasks.data) return null;
  const users = usersOf(profile, [...newest([...jobs.data.items]), ...newest([...tasks.data.items])]);
  return (
    <section className="card" aria-label="Used by">
      <header><h2>Used by</h2></header>
      <div className="body">
        {users.length === 0 ? <p className="muted">No definition names it. Tasks that are submitted may: <code>profile: {profile}</code></p> : (
          <ul className="grid" style={{ gap: 6 }}>
            {users.map(({ definition, tasks: named }) => (
              <li key={`${definition.kind} ${definition.name}`}>
                <Link href={`/definitions/${definition.kind}s/${encodeURIComponent(definition.name)}`} className="mono">{definition.name}</Link> <span className="chip">{definition.kind}</span>{' '}
                <span className="muted">{named.length === 0 ? 'as a whole' : `its ${named.length === 1 ? 'task' : 'tasks'} ${named.join(', ')}`}</span>
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}
