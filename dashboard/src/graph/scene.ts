// What the painter needs of a graph: flat arrays that cross to a worker cheaply.
import type { GraphLayout, LaidOutNode } from '../api/types';

export const STATES = ['pending', 'scheduled', 'waiting', 'ready', 'running', 'completed', 'failed', 'cancelled', 'skipped'];

export interface Scene {
  size: [number, number];
  nodeSize: [number, number];
  x: Float32Array;
  y: Float32Array;
  states: Uint8Array;
  labels: string[];
  /** For folded nodes: how many tasks, and shares of states in their order; empty for a task. */
  folds: (number[] | null)[];
  /** Pairs of nodes. */
  edges: Uint32Array;
  /** Bends of edge `e`: `bendAt[e] .. bendAt[e + 1]` of `bends`, as x, y. */
  bendAt: Uint32Array;
  bends: Float32Array;
  criticalNodes: Uint8Array;
  criticalEdges: Uint8Array;
}

export function stateIndex(state: string): number {
  return Math.max(0, STATES.indexOf(state));
}

export function labelOf(node: LaidOutNode): string {
  return node.title ?? node.id;
}

export function tasksIn(node: LaidOutNode): number {
  return node.states ? Object.values(node.states).reduce((a, b) => a + b, 0) : 1;
}

export function sceneOf(layout: GraphLayout): Scene {
  const { nodes, edges } = layout;
  const bendAt = new Uint32Array(edges.length + 1);
  for (const bend of layout.bends) bendAt[bend.edge + 1] = 2 * bend.points.length;
  for (let edge = 0; edge < edges.length; edge += 1) bendAt[edge + 1] = (bendAt[edge + 1] ?? 0) + (bendAt[edge] ?? 0);
  const bends = new Float32Array(bendAt[edges.length] ?? 0);
  for (const bend of layout.bends) bends.set(bend.points.flat(), bendAt[bend.edge]);
  const criticalNodes = new Uint8Array(nodes.length);
  for (const node of layout.criticalPath) criticalNodes[node] = 1;
  const after = new Map<number, number>();
  layout.criticalPath.forEach((node, place) => after.set(node, layout.criticalPath[place + 1] ?? -1));
  return {
    size: layout.size,
    nodeSize: layout.nodeSize,
    x: Float32Array.from(nodes, (node) => node.x),
    y: Float32Array.from(nodes, (node) => node.y),
    states: Uint8Array.from(nodes, (node) => stateIndex(node.status)),
    labels: nodes.map(labelOf),
    folds: nodes.map((node) => (node.states ? [tasksIn(node), ...STATES.map((state) => node.states?.[state] ?? 0)] : null)),
    edges: Uint32Array.from(edges.flat()),
    bendAt,
    bends,
    criticalNodes,
    criticalEdges: Uint8Array.from(edges, ([from, to]) => (after.get(from) === to ? 1 : 0)),
  };
}

/** The node under a point of the picture; -1 if there is none. */
export function nodeAt(scene: Scene, x: number, y: number): number {
  const [width, height] = scene.nodeSize;
  for (let node = scene.x.length - 1; node >= 0; node -= 1) {
    const [left, top] = [scene.x[node] ?? 0, scene.y[node] ?? 0];
    if (x >= left && x <= left + width && y >= top && y <= top + height) return node;
  }
  return -1;
}
