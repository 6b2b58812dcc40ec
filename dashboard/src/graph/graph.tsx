// The graph of a job: drawn, or as a list with the same content; folded by group or state where there is too much.
import { useEffect, useMemo, useRef, useState } from 'react';
import { query, taskHref } from '../api/client';
import { useResource } from '../api/resource';
import type { GraphLayout, LaidOutNode } from '../api/types';
import { number, span } from '../format';
import { useBatches } from '../live/live';
import { Empty, Skeleton, Status, StateBar, Took, Trouble } from '../parts/basics';
import { Icon } from '../parts/icons';
import { Table, type Column } from '../parts/table';
import { Link, navigate, useParam } from '../router';
import { GraphCanvas, type Hand } from './canvas';
import { patch } from './patch';
import { labelOf, sceneOf, stateIndex, tasksIn, type Scene } from './scene';

const WAYS = [
  ['none', 'Each task'],
  ['group', 'By group'],
  ['state', 'By state'],
] as const;

export default function Graph({ jobId }: { jobId: string }) {
  const [collapse, setCollapse] = useParam('collapse');
  const [expand, setExpand] = useParam('expand');
  const [asList, setAsList] = useParam('list');
  const [find, setFind] = useState('');
  const [critical, setCritical] = useState(true);
  const path = `/api/v1/jobs/${encodeURIComponent(jobId)}/graph/layout${query({ collapse, expand })}`;
  // A folded picture cannot be patched; that of each task only changes as a whole when the job begins anew or ends.
  const folded = useRef(false);
  const { data, error } = useResource<GraphLayout>(path, (event) => event.jobId === jobId && (folded.current ? event.eventType !== 'TASK_PROGRESS' : event.eventType.startsWith('JOB_')));
  folded.current = data !== undefined && data.collapse !== 'none';
  const hand = useRef<Hand>(null);
  const { scene, nodes, ids } = useScene(data);
  const [revision, setRevision] = useState(0);
  const [chosen, setChosen] = useState(-1);
  useEffect(() => setChosen(-1), [collapse, expand]);
  useBatches((batch) => {
    if (!scene || folded.current) return;
    const changed = patch(batch.events.filter((event) => event.jobId === jobId), nodes, ids);
    if (changed.length === 0) return;
    const states = changed.map((node) => stateIndex(nodes[node]?.status ?? ''));
    changed.forEach((node, place) => (scene.states[node] = states[place] ?? 0));
    hand.current?.states(changed, states);
    setRevision((before) => before + 1);
  });
  if (!data || !scene) return <div className="card graph">{error ? <Trouble error={error} /> : <Skeleton lines={6} />}</div>;
  const open = (node: number) => {
    const target = nodes[node];
    if (!target) return;
    if (target.states) setExpand([expand, target.id].filter(Boolean).join(','));
    else navigate(taskHref(target.id, jobId));
  };
  const search = () => {
    const wanted = find.toLowerCase();
    const from = chosen + 1;
    const order = nodes.map((_, place) => (place + from) % nodes.length);
    const found = order.find((node) => nodes[node] && `${nodes[node].id} ${labelOf(nodes[node])}`.toLowerCase().includes(wanted));
    if (found === undefined) return;
    setChosen(found);
    hand.current?.centre(found);
  };
  return (
    <div className="card graph">
      <div className="tools" role="toolbar" aria-label="Graph">
        <div className="filters" role="group" aria-label="How tasks are drawn together">
          {WAYS.map(([way, title]) => (
            <button key={way} type="button" className="choice" aria-pressed={data.collapse === way} onClick={() => { setExpand(''); setCollapse(way); }}>{title}</button>
          ))}
          {expand !== '' && <button type="button" className="choice" onClick={() => setExpand('')}>Fold again</button>}
        </div>
        <button type="button" className="choice button tiny" aria-pressed={critical} onClick={() => setCritical(!critical)}>Critical path{data.criticalMs > 0 ? `, ${span(data.criticalMs)}` : ''}</button>
        <button type="button" className="button tiny" aria-pressed={asList !== ''} onClick={() => setAsList(asList === '' ? 'yes' : '')}>{asList === '' ? 'As a list' : 'As a graph'}</button>
        <div className="search" style={{ flex: '1 1 140px', maxWidth: 260 }}>
          <input data-search style={{ paddingLeft: 12, minHeight: 28 }} aria-label="Find a node" placeholder="find a node" value={find} onChange={(event) => setFind(event.target.value)} onKeyDown={(event) => event.key === 'Enter' && search()} />
        </div>
        <span className="muted small" data-nodes={nodes.length}>{number(data.tasks)} tasks{data.collapse !== 'none' && ` in ${number(nodes.length)} nodes`}, {number(data.edges.length)} edges</span>
        {asList === '' && (
          <span style={{ marginLeft: 'auto' }} className="nowrap">
            <button type="button" className="button bare tiny" aria-label="Zoom in" onClick={() => hand.current?.zoom(1.4)}><Icon name="plus" /></button>
            <button type="button" className="button bare tiny" aria-label="Zoom out" onClick={() => hand.current?.zoom(1 / 1.4)}><Icon name="minus" /></button>
            <button type="button" className="button bare tiny" aria-label="Fit" onClick={() => hand.current?.fit()}><Icon name="fit" /></button>
          </span>
        )}
      </div>
      <Trouble error={error} />
      {nodes.length === 0 ? <Empty title="This job has no task" /> : asList !== '' ? (
        <NodeList nodes={nodes} data={data} jobId={jobId} revision={revision} open={open} />
      ) : (
        <Picture scene={scene} nodes={nodes} jobId={jobId} chosen={chosen} setChosen={setChosen} open={open} critical={critical} hand={hand} revision={revision} />
      )}
    </div>
  );
}

/** The scene of a layout, and its nodes, which events change in place. */
function useScene(data: GraphLayout | undefined): { scene: Scene | undefined; nodes: LaidOutNode[]; ids: Map<string, number> } {
  return useMemo(() => {
    const nodes = data ? data.nodes.map((node) => ({ ...node })) : [];
    return { scene: data && sceneOf(data), nodes, ids: new Map(nodes.map((node, place) => [node.id, place])) };
  }, [data]);
}

interface PictureProps {
  scene: Scene;
  nodes: LaidOutNode[];
  jobId: string;
  chosen: number;
  setChosen: (node: number) => void;
  open: (node: number) => void;
  critical: boolean;
  hand: React.RefObject<Hand | null>;
  revision: number;
}

function Picture({ scene, nodes, jobId, chosen, setChosen, open, critical, hand }: PictureProps) {
  const [hover, setHover] = useState({ node: -1, x: 0, y: 0 });
  const node = nodes[chosen];
  const hovered = hover.node >= 0 && hover.node !== chosen ? nodes[hover.node] : undefined;
  return (
    <div style={{ position: 'relative', flex: 1, display: 'flex', minHeight: 0 }}>
      <GraphCanvas scene={scene} label={`Graph of ${jobId}: ${nodes.length} nodes. The button “As a list” shows the same as a table.`} chosen={chosen} critical={critical} hand={hand}
        onChoose={setChosen} onOpen={open} onHover={(at, x, y) => (at >= 0 || hover.node >= 0) && (at !== hover.node) && setHover({ node: at, x, y })} />
      {hovered && <div className="tip" style={{ transform: `translate(${hover.x + 14}px, ${hover.y + 14}px)` }}><NodeWords node={hovered} /></div>}
      {node && (
        <div className="tip" style={{ top: 'auto', left: 12, bottom: 12, pointerEvents: 'auto' }} data-chosen={node.id}>
          <NodeWords node={node} />
          <div style={{ marginTop: 8, display: 'flex', gap: 8 }}>
            {node.states ? <button type="button" className="button tiny first" onClick={() => open(chosen)}>Open these {tasksIn(node)}</button> : <Link className="button tiny first" href={taskHref(node.id, jobId)}>Open task</Link>}
            <button type="button" className="button tiny" onClick={() => setChosen(-1)}>Close</button>
          </div>
        </div>
      )}
    </div>
  );
}

function NodeWords({ node }: { node: LaidOutNode }) {
  return (
    <>
      <div className="mono" style={{ overflowWrap: 'anywhere' }}>{labelOf(node)}</div>
      {node.states ? <div className="muted small">{Object.entries(node.states).map(([state, count]) => `${number(count)} ${state}`).join(', ')}</div> : <Status state={node.status} />}
      <div className="muted small">{node.type} · wave {node.wave}{node.startTime && <> · <Took start={node.startTime} end={node.endTime} /></>}{node.attempt > 1 && ` · attempt ${node.attempt}`}</div>
    </>
  );
}

function NodeList({ nodes, data, jobId, revision, open }: { nodes: LaidOutNode[]; data: GraphLayout; jobId: string; revision: number; open: (node: number) => void }) {
  const parents = useMemo(() => {
    const found: number[][] = data.nodes.map(() => []);
    for (const [from, to] of data.edges) found[to]?.push(from);
    return found;
  }, [data]);
  const places = useMemo(() => new Map(nodes.map((node, place) => [node.id, place])), [nodes]);
  const onPath = useMemo(() => new Set(data.criticalPath), [data]);
  const place = (node: LaidOutNode) => places.get(node.id) ?? -1;
  const needs = (node: LaidOutNode) => {
    const all = parents[place(node)] ?? [];
    const named = all.slice(0, 3).map((parent) => labelOf(nodes[parent] ?? node)).join(', ');
    return all.length > 3 ? `${named} and ${all.length - 3} more` : named || '—';
  };
  const columns: Column<LaidOutNode>[] = [
    { title: 'Status', width: '110px', cell: (node) => (node.states ? <StateBar states={node.states} total={tasksIn(node)} /> : <Status state={node.status} />) },
    { title: 'Node', width: 'minmax(120px, 1.500fr)', cell: (node) => (node.states ? <button type="button" className="button bare tiny" onClick={() => open(place(node))}>{labelOf(node)} ({number(tasksIn(node))})</button> : <Link href={taskHref(node.id, jobId)} className="mono">{labelOf(node)}</Link>) },
    { title: 'Needs', width: 'minmax(100px, 2fr)', from: 560, cell: (node) => <span className="muted">{needs(node)}</span> },
    { title: 'Wave', width: '52px', right: true, from: 480, cell: (node) => node.wave },
    { title: 'On the critical path', width: '130px', from: 860, cell: (node) => (onPath.has(place(node)) ? 'yes' : '') },
    { title: 'Took', width: '84px', right: true, cell: (node) => <Took start={node.startTime} end={node.endTime} /> },
  ];
  return <Table className="graph-list" label={`Graph of ${jobId} as a list`} columns={columns} count={nodes.length} at={(index) => nodes[index]} keyOf={(node) => node.id} version={revision} href={(node) => (node.states ? location.pathname : taskHref(node.id, jobId))} />;
}
