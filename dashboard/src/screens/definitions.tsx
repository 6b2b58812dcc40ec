// Definitions and profiles: named templates of tasks and jobs, and named defaults of tasks.
import { useState } from 'react';
import { useResource } from '../api/resource';
import type { Definition as DefinitionType, Page } from '../api/types';
import { Empty, Skeleton, Time, Trouble, Wide } from '../parts/basics';
import { Link } from '../router';
import { DefinitionForm } from './definition-form';
import { usersOf } from './profile-users';

const href = (kind: string, name: string) => (kind === 'profile' ? '/profiles/' : `/definitions/${kind}s/`) + encodeURIComponent(name);

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
  return (
    <div className="screen">
      <div className="head"><h1>Definitions</h1></div>
      <Trouble error={error} />
      <Wide card label="Definitions">
        {!items ? !error && <Skeleton /> : items.length === 0 ? (
          <Empty title="No definition yet" line="mainspring apply examples/daily-report.yaml">A definition is a named, versioned template. Jobs are made from it, and tasks can be named by jobs.</Empty>
        ) : (
          <table className="plain">
            <thead><tr><th>Name</th><th>Kind</th><th className="right">Version</th><th>By</th><th className="right">Applied</th></tr></thead>
            <tbody>
              {items.map((item) => (
                <tr key={`${item.kind} ${item.userId} ${item.name}`}>
                  <td><Link href={href(item.kind, item.name)} className="mono">{item.name}</Link></td>
                  <td>{item.kind}</td>
                  <td className="right">{item.version}</td>
                  <td>{item.appliedBy ?? <span className="muted">—</span>}</td>
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

export function Profiles() {
  const profiles = useResource<Page<DefinitionType>>('/api/v1/profiles');
  const jobs = useResource<Page<DefinitionType>>('/api/v1/definitions/jobs');
  const tasks = useResource<Page<DefinitionType>>('/api/v1/definitions/tasks');
  const [making, setMaking] = useState(false);
  const items = profiles.data && newest([...profiles.data.items]);
  const all = [...newest([...(jobs.data?.items ?? [])]), ...newest([...(tasks.data?.items ?? [])])];
  return (
    <div className="screen">
      <div className="head">
        <h1>Profiles</h1>
        <span className="muted small">defaults of tasks that are changed in one place, while everything runs</span>
        <div className="actions"><button type="button" className="button first" onClick={() => setMaking(true)}>New profile …</button></div>
      </div>
      <Trouble error={profiles.error} />
      <Wide card label="Profiles">
        {!items ? !profiles.error && <Skeleton /> : items.length === 0 ? (
          <Empty title="No profile yet" line="mainspring profiles set patient retries=8 timeout=1h">Tasks that name a profile take from it what they do not say themselves.</Empty>
        ) : (
          <table className="plain">
            <thead><tr><th>Profile</th><th>Sets</th><th>Used by</th><th className="right">Version</th><th className="right">Applied</th></tr></thead>
            <tbody>
              {items.map((item) => {
                const users = usersOf(item.name, all);
                return (
                  <tr key={`${item.userId} ${item.name}`}>
                    <td><Link href={href('profile', item.name)} className="mono">{item.name}</Link></td>
                    <td>{Object.keys((item.body as object | null) ?? {}).filter((key) => key !== 'profile').map((key) => <span key={key} className="chip">{key}</span>)}</td>
                    <td>{users.length === 0 ? <span className="muted">no definition</span> : users.length === 1 ? '1 definition' : `${users.length} definitions`}</td>
                    <td className="right">{item.version}</td>
                    <td className="right"><Time at={item.appliedAt} /></td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        )}
      </Wide>
      {making && <DefinitionForm kind="profiles" onClose={() => setMaking(false)} onDone={profiles.reload} />}
    </div>
  );
}
