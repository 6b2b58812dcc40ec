// The cluster: whether it is well, its nodes with their beats, which of them serves which shard, and what moved while one looks.
import { useEffect, useRef, useState } from 'react';
import { useResource } from '../api/resource';
import type { Cluster as ClusterType, ClusterNode } from '../api/types';
import { span } from '../format';
import { Empty, Note, Shell, Skeleton, Status, Time, Trouble, Wide } from '../parts/basics';
import { examine, moves, ranges, type Check, type Move } from './checks';

/** Beats are no events, so this screen asks by the clock while it is looked at. */
const LOOK_MS = 2_000;
/** Moves that are remembered while the screen is open. */
const MOVES_MAX = 50;

interface Seen extends Move {
  at: string;
}

/** What moved between the looks since the screen was opened, newest first. */
function useMoves(cluster: ClusterType | undefined): Seen[] {
  const [seen, setSeen] = useState<Seen[]>([]);
  const before = useRef<ClusterType>(undefined);
  useEffect(() => {
    if (!cluster) return;
    const found = before.current ? moves(before.current.shards, cluster.shards) : [];
    before.current = cluster;
    if (found.length > 0) setSeen((known) => [...found.map((move) => ({ ...move, at: cluster.time })), ...known].slice(0, MOVES_MAX));
  }, [cluster]);
  return seen;
}

/** How far the server's clock is from here, the time of the call included: the least of what was seen, for a call may be slow. */
function useSkew(cluster: ClusterType | undefined): number {
  const least = useRef(Infinity);
  const told = useRef('');
  if (cluster && told.current !== cluster.time) {
    told.current = cluster.time;
    least.current = Math.min(least.current, Math.abs(Date.now() - Date.parse(cluster.time)));
  }
  return least.current === Infinity ? 0 : least.current;
}

export function Cluster() {
  const { data, error } = useResource<ClusterType>('/api/v1/cluster', (event) => event.eventType.startsWith('WORKER_'), LOOK_MS);
  const seen = useMoves(data);
  const skew = useSkew(data);
  const names = new Map(data?.nodes.map((node) => [node.nodeId, node.about]));
  return (
    <div className="screen">
      <div className="head">
        <h1>Cluster</h1>
        {data && <span className="muted small">{data.store} · {data.nodes.length === 1 ? 'one node' : `${data.nodes.length} nodes`} · {data.shards.length === 1 ? 'one shard' : `${data.shards.length} shards`}</span>}
      </div>
      <Trouble error={error} />
      {!data ? !error && <div className="card"><Skeleton lines={8} /></div> : (
        <>
          <Checks checks={examine(data, skew)} />
          <Nodes cluster={data} />
          {data.nodes.length === 1 && <Alone store={data.store} />}
          <Shards cluster={data} moved={new Set(seen.map((move) => move.shard))} />
          {seen.length > 0 && <Moves seen={seen} names={names} />}
        </>
      )}
    </div>
  );
}

function Checks({ checks }: { checks: Check[] }) {
  const ill = checks.filter((check) => !check.well);
  return (
    <section className="card" aria-label="Checks" data-ill={ill.length}>
      <header>
        <h2>{ill.length === 0 ? 'All is well' : ill.length === 1 ? 'One thing is not well' : `${ill.length} things are not well`}</h2>
        <span className="rest"><Shell line={`mainspring doctor --server ${location.origin}`} /></span>
      </header>
      <ul className="checks">
        {[...ill, ...checks.filter((check) => check.well)].map((check) => (
          <li key={check.name}>
            <Status state={check.well ? 'well' : 'ill'} word={check.name} />
            <span>{check.detail}{check.mend && <span className="muted"> — {check.mend}</span>}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Nodes({ cluster }: { cluster: ClusterType }) {
  const nodes = cluster.nodes.toSorted((a, b) => a.about.localeCompare(b.about, 'en', { numeric: true }));
  return (
    <section className="card">
      <header><h2>Nodes</h2></header>
      <Wide label="Nodes">
        <table className="plain">
          <thead><tr><th>Node</th><th>State</th><th className="right">Last beat</th><th>Shards</th><th>Address</th><th>Version</th></tr></thead>
          <tbody>{nodes.map((node) => <NodeRow key={node.nodeId} node={node} cluster={cluster} />)}</tbody>
        </table>
      </Wide>
    </section>
  );
}

function NodeRow({ node, cluster }: { node: ClusterNode; cluster: ClusterType }) {
  const share = `${node.shards.length} of ${cluster.shards.length}`;
  return (
    <tr data-node={node.nodeId}>
      <td className="nowrap">
        {node.about}{node.nodeId === cluster.nodeId && <> <span className="chip">answers this page</span></>}
        <div className="muted small mono">{node.nodeId}</div>
      </td>
      <td><Status state={node.alive ? 'alive' : 'silent'} /></td>
      <td className="right nowrap">{node.silentMs < 1_000 ? 'now' : `${span(node.silentMs)} ago`}</td>
      <td><span className="nowrap">{share}</span>{node.shards.length > 0 && cluster.shards.length > 1 && <div className="muted small">{ranges(node.shards)}</div>}</td>
      <td className="mono">{node.address ?? <span className="muted">none</span>}</td>
      <td>{node.version}</td>
    </tr>
  );
}

function Alone({ store }: { store: string }) {
  const second = `mainspring serve --store ${store === 'redis' ? 'redis://HOST:6379' : 'postgres://USER@HOST/NAME'} --listen 127.0.0.1:7071`;
  return (
    <Note icon="cluster">
      {store === 'sqlite' || store === 'memory'
        ? 'This node does everything: its store belongs to one process. On PostgreSQL or Redis several nodes share the work, and one takes over from another within seconds; mainspring migrate-store copies everything there.'
        : 'This node does everything. A second one on the same store joins by itself, takes half of the shards, and takes over if this one dies.'}
      <div style={{ marginTop: 8 }}><Shell line={second} /></div>
    </Note>
  );
}

function Shards({ cluster, moved }: { cluster: ClusterType; moved: Set<number> }) {
  const names = new Map(cluster.nodes.map((node) => [node.nodeId, node.about]));
  if (cluster.shards.length === 0) return <div className="card"><Empty title="No shard is known yet" /></div>;
  return (
    <section className="card">
      <header><h2>Shards</h2><span className="rest muted small">an epoch grows with each change of the owner</span></header>
      <Wide label="Shards">
        <table className="plain">
          <thead><tr><th>Shard</th><th>Served by</th><th className="right">Epoch</th><th><span className="unseen">Change</span></th></tr></thead>
          <tbody>
            {cluster.shards.map((shard) => (
              <tr key={shard.shard} data-shard={shard.shard}>
                <td>{shard.shard}</td>
                <td>{shard.nodeId === null ? <Status state="silent" word="nobody just now" /> : (names.get(shard.nodeId) ?? <span className="mono">{shard.nodeId}</span>)}</td>
                <td className="right">{shard.epoch}</td>
                <td>{moved.has(shard.shard) && <span className="chip">moved</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
    </section>
  );
}

function Moves({ seen, names }: { seen: Seen[]; names: Map<string, string> }) {
  const name = (id: string | null) => (id === null ? 'nobody' : (names.get(id) ?? id));
  return (
    <section className="card">
      <header><h2>Moves since this screen was opened</h2></header>
      <Wide label="Moves">
        <table className="plain">
          <thead><tr><th>When</th><th className="right">Shard</th><th>From</th><th>To</th><th className="right">Epoch</th></tr></thead>
          <tbody>
            {seen.map((move) => (
              <tr key={`${move.shard} ${move.epoch} ${move.to}`}>
                <td><Time at={move.at} /></td><td className="right">{move.shard}</td><td>{name(move.from)}</td><td>{name(move.to)}</td><td className="right">{move.epoch}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
    </section>
  );
}
