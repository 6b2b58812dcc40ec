// Definitions: named templates of tasks and jobs, their versions and what changed, and a run with other parameters.
import { useState } from 'react';
import { call, jobHref, query, Refusal } from '../api/client';
import { printExact } from '../api/exact';
import { useResource } from '../api/resource';
import type { Definition as DefinitionType, Page } from '../api/types';
import { quoted } from '../format';
import { Dialog } from '../parts/dialog';
import { Empty, Note, Shell, Skeleton, Time, Trouble, Wide } from '../parts/basics';
import { toast } from '../parts/toast';
import { Link, navigate, useParam } from '../router';
import { jsonTrouble } from './dead-letters';
import { diff } from './diff';

const href = (kind: string, name: string) => `/definitions/${kind}s/${encodeURIComponent(name)}`;

/** The newest version of each, without what was deleted. */
export function newest(items: DefinitionType[]): DefinitionType[] {
  const found = new Map<string, DefinitionType>();
  for (const item of items) {
    const key = `${item.userId} ${item.name}`;
    const known = found.get(key);
    if (!known || known.version < item.version) found.set(key, item);
  }
  return [...found.values()].filter((item) => item.body !== null).sort((a, b) => a.name.localeCompare(b.name));
}

export function Definitions() {
  const jobs = useResource<Page<DefinitionType>>('/api/v1/definitions/jobs');
  const tasks = useResource<Page<DefinitionType>>('/api/v1/definitions/tasks');
  const error = jobs.error ?? tasks.error;
  const items = jobs.data && tasks.data && newest([...jobs.data.items]).concat(newest([...tasks.data.items]));
  const example = `curl -X PUT ${location.origin}/api/v1/definitions/jobs/nightly -H 'Content-Type: application/yaml' --data-binary @nightly.yaml`;
  return (
    <div className="screen">
      <div className="head"><h1>Definitions</h1></div>
      <Trouble error={error} />
      <Wide card label="Definitions">
        {!items ? !error && <Skeleton /> : items.length === 0 ? (
          <Empty title="No definition yet" line={example}>A definition is a named, versioned template. Jobs are made from it, and tasks can be named by jobs.</Empty>
        ) : (
          <table className="plain">
            <thead><tr><th>Name</th><th>Kind</th><th className="right">Version</th><th className="right">Applied</th></tr></thead>
            <tbody>
              {items.map((item) => (
                <tr key={`${item.kind} ${item.userId} ${item.name}`}>
                  <td><Link href={href(item.kind, item.name)} className="mono">{item.name}</Link></td>
                  <td>{item.kind}</td>
                  <td className="right">{item.version}</td>
                  <td className="right"><Time at={item.appliedAt} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Wide>
    </div>
  );
}

export function Definition({ kind, name }: { kind: string; name: string }) {
  const path = `/api/v1/definitions/${kind}/${encodeURIComponent(name)}`;
  const { data, error } = useResource<Page<DefinitionType>>(`${path}/versions`);
  const [shown, setShown] = useParam('version');
  const [running, setRunning] = useState(false);
  if (!data) return <div className="screen"><div className="head"><h1 className="mono">{name}</h1></div>{error ? <Trouble error={error} /> : <Skeleton />}</div>;
  const versions = [...data.items].sort((a, b) => b.version - a.version);
  const version = versions.find((each) => String(each.version) === shown) ?? versions[0];
  const before = versions[versions.findIndex((each) => each === version) + 1];
  const deleted = versions[0]?.body === null;
  return (
    <div className="screen">
      <div className="head">
        <h1 className="mono">{name}</h1>
        <span className="chip">{kind === 'jobs' ? 'job' : 'task'}</span>
        <div className="actions">
          {kind === 'jobs' && <Link className="button" href={`/jobs${query({ q: `name:${name}` })}`}>Its jobs</Link>}
          {kind === 'jobs' && <button type="button" className="button first" disabled={deleted} onClick={() => setRunning(true)}>Run …</button>}
        </div>
      </div>
      {deleted && <Note tone="amber">It was deleted; its history stays.</Note>}
      <div className="grid side-by-side">
        <div className="card pick" role="group" aria-label="Versions" tabIndex={0}>
          {versions.map((each) => (
            <button key={each.version} type="button" aria-pressed={each === version} onClick={() => setShown(String(each.version))}>
              <span>Version {each.version}</span>
              <span className="muted small" style={{ marginLeft: 'auto' }}>{each.body === null ? 'deleted ' : ''}<Time at={each.appliedAt} /></span>
            </button>
          ))}
        </div>
        {version && <Version version={version} before={before} />}
      </div>
      {running && versions[0] && <Run definition={versions[0]} onClose={() => setRunning(false)} />}
    </div>
  );
}

function Version({ version, before }: { version: DefinitionType; before: DefinitionType | undefined }) {
  const [whole, setWhole] = useState(false);
  const text = version.body === null ? '' : printExact(version.body);
  const lines = before ? diff(before.body === null ? '' : printExact(before.body), text) : undefined;
  return (
    <section className="card" data-version={version.version}>
      <header>
        <h2>{lines && !whole ? `What version ${version.version} changed` : `Version ${version.version}`}</h2>
        {lines && <span className="rest"><button type="button" className="button tiny" onClick={() => setWhole(!whole)}>{whole ? 'Show changes' : 'Show whole'}</button></span>}
      </header>
      <div className="body">
        {lines && !whole ? (
          <pre className="code diff" tabIndex={0} style={{ maxHeight: 'none' }}>
            {lines.map((line, index) => <span key={index} className={line.kind}>{{ add: '+ ', del: '− ', same: '  ' }[line.kind]}{line.text}</span>)}
          </pre>
        ) : (
          <pre className="code" tabIndex={0} style={{ maxHeight: 'none' }}>{text || 'deleted'}</pre>
        )}
      </div>
    </section>
  );
}

function Run({ definition, onClose }: { definition: DefinitionType; onClose: () => void }) {
  const own = (definition.body as { params?: Record<string, unknown> } | null)?.params ?? {};
  const [text, setText] = useState(printExact(own));
  const [error, setError] = useState<Refusal | undefined>();
  const [busy, setBusy] = useState(false);
  const path = `/api/v1/definitions/jobs/${encodeURIComponent(definition.name)}/run`;
  const changed = text !== printExact(own);
  const body = changed ? `{"params": ${text}}` : '{}';
  const line = `curl -X POST ${location.origin}${path} -H 'Content-Type: application/json' -d ${quoted(body.replace(/\s+/g, ' '))}`;
  const trouble = jsonTrouble(text);
  const run = async () => {
    setBusy(true);
    try {
      const made = await call<{ jobId: string }>('POST', path, body);
      toast({ tone: 'green', text: `Job ${made.jobId} was made from ${definition.name}`, line });
      onClose();
      navigate(jobHref(made.jobId));
    } catch (reason) {
      setError(reason as Refusal);
      setBusy(false);
    }
  };
  return (
    <Dialog label={`Run ${definition.name}`} onClose={onClose}>
      <form className="inside" onSubmit={(event) => { event.preventDefault(); void run(); }}>
        <h2>Run <span className="mono">{definition.name}</span>, version {definition.version}</h2>
        {Object.keys(own).length === 0 ? <p className="muted">It has no parameters. A new job is made from it as it is.</p> : (
          <label className="field">
            <span>Parameters</span>
            <textarea spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />
          </label>
        )}
        {trouble && <Note tone="amber">{trouble}</Note>}
        <Trouble error={error} />
        <Shell line={line} />
        <div className="ends">
          <button type="button" className="button" onClick={onClose}>Leave it</button>
          <button type="submit" className="button first" disabled={busy || trouble !== ''}>Run it</button>
        </div>
      </form>
    </Dialog>
  );
}
