// What `mainspring doctor` asks of a cluster, asked of the same answer: whether it is well, and how to mend what is not.
import type { Cluster, ClusterShard } from '../api/types';
import { span } from '../format';

/** How far the server's clock may be from this browser's, in milliseconds. */
const SKEW_MS_MAX = 5_000;

export interface Check {
  name: string;
  well: boolean;
  detail: string;
  mend?: string;
}

/** The checks of the doctor in its order; `skew` is the distance of the server's clock from here, in milliseconds. */
export function examine(cluster: Cluster, skew: number): Check[] {
  const { nodes, shards } = cluster;
  const check = (name: string, trouble: string, well: string, mend: string): Check =>
    trouble === '' ? { name, well: true, detail: well } : { name, well: false, detail: trouble, mend };
  const some = (list: (string | number)[], text: string) => (list.length === 0 ? '' : `${text} ${list.join(', ')}`);
  const silent = nodes.filter((node) => !node.alive).map((node) => node.about);
  const hidden = nodes.filter((node) => node.address === null && nodes.length > 1).map((node) => node.about);
  const versions = [...new Set(nodes.map((node) => node.version))].sort();
  const orphans = shards.filter((shard) => shard.nodeId === null).map((shard) => shard.shard);
  const reasons = cluster.reasons.map(({ reason, detail }) => `${reason}: ${detail}`).join('; ');
  const kept = cluster.durability === 'D0' ? `${cluster.store} keeps nothing beyond the process` : '';
  return [
    check('server', reasons, 'ready for work', 'its log has more; it takes work again once that has passed'),
    check('store', kept, `${cluster.store} promises ${cluster.durability}`, 'use --store sqlite:PATH, PostgreSQL or Redis'),
    check('nodes', some(silent, 'no sign of life of'), nodes.length === 1 ? 'one node, alive' : `${nodes.length} nodes, all alive`, 'start them again; others take their shards within seconds'),
    check('addresses', some(hidden, 'other nodes cannot reach'), 'every node can be reached', 'start them with --advertise http://HOST:PORT'),
    check('shards', some(orphans, 'nobody serves'), shards.length === 1 ? 'one shard, served' : `${shards.length} shards, all served`, 'a live node takes them within seconds; if not, its log says why'),
    check('versions', versions.length > 1 ? `nodes of versions ${versions.join(', ')}` : '', versions.join(', '), 'finish the upgrade: one version apart is fine for its time only'),
    check('clock', skew > SKEW_MS_MAX ? `the server's clock is ${span(skew)} from this browser's` : '', 'the same as this browser’s', 'let both machines follow a time server'),
  ];
}

/** Numbers in order as a reader would say them: `0–3, 7`. */
export function ranges(numbers: number[]): string {
  const parts: [number, number][] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = parts.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from}, ${to}` : `${from}–${to}`)).join(', ');
}

/** A shard that another node serves now. */
export interface Move {
  shard: number;
  epoch: number;
  from: string | null;
  to: string | null;
}

/** Shards whose owner or epoch differs between two looks. */
export function moves(before: ClusterShard[], after: ClusterShard[]): Move[] {
  const known = new Map(before.map((shard) => [shard.shard, shard]));
  return after.flatMap((shard) => {
    const old = known.get(shard.shard);
    const same = !old || (old.epoch === shard.epoch && old.nodeId === shard.nodeId);
    return same ? [] : [{ shard: shard.shard, epoch: shard.epoch, from: old.nodeId, to: shard.nodeId }];
  });
}
