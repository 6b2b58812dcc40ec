import { describe, expect, it } from 'vitest';
import { patch } from '../../src/graph/patch';
import { nodeAt, sceneOf } from '../../src/graph/scene';
import { fit, held, zoomAt } from '../../src/graph/view';
import { minimapFrame } from '../../src/graph/minimap';
import { lanes } from '../../src/screens/lanes';
import { gathered } from '../../src/screens/gathered';
import { roundUp, stacked } from '../../src/parts/chart-scale';
import type { Attempt, GraphLayout } from '../../src/api/types';

const layout: GraphLayout = {
  jobId: 'j', collapse: 'none', tasks: 3, size: [696, 84], nodeSize: [184, 36],
  nodes: ['a', 'b', 'c'].map((id, wave) => ({ id, type: 'noop', status: 'pending', wave, x: 256 * wave, y: wave === 1 ? 0 : 48, attempt: 0 })),
  edges: [[0, 1], [1, 2], [0, 2]], bends: [{ edge: 2, points: [[348, 66]] }], criticalPath: [0, 1, 2], criticalMs: 0,
};

describe('the view', () => {
  const window = { width: 800, height: 600 };

  it('fits a picture into the middle', () => {
    const view = fit([1_600, 300], window);
    expect(view.k).toBeCloseTo(0.47);
    expect(view.ty).toBeCloseTo((600 - 300 * view.k) / 2);
  });

  it('zooms about the pointer and stops at its bounds', () => {
    const before = { tx: 10, ty: 20, k: 1 };
    const after = zoomAt(before, 1.5, 100, 50, 0.1);
    expect((100 - after.tx) / after.k).toBeCloseTo(90);
    expect(zoomAt(before, 100, 0, 0, 0.1).k).toBe(2);
    expect(zoomAt(before, 0.001, 0, 0, 0.1).k).toBe(0.1);
  });

  it('never loses the picture', () => {
    expect(held({ tx: 9_000, ty: -9_000, k: 1 }, [500, 400], window)).toEqual({ tx: 720, ty: -320, k: 1 });
  });

  it('puts the minimap into the corner', () => {
    const frame = minimapFrame([1_000, 100], window);
    expect(frame.x + frame.width).toBe(788);
    expect(frame.y + frame.height).toBe(588);
  });
});

describe('the scene', () => {
  it('flattens bends and marks the critical path', () => {
    const scene = sceneOf(layout);
    expect([...scene.bendAt]).toEqual([0, 0, 0, 2]);
    expect([...scene.bends]).toEqual([348, 66]);
    expect([...scene.criticalEdges]).toEqual([1, 1, 0]);
    expect([nodeAt(scene, 10, 50), nodeAt(scene, 300, 10), nodeAt(scene, 300, 60)]).toEqual([0, 1, -1]);
  });

  it('follows events, and only those that change a state', () => {
    const nodes = layout.nodes.map((node) => ({ ...node }));
    const ids = new Map(nodes.map((node, place) => [node.id, place]));
    const event = (eventType: string, taskId: string) => ({ eventType, taskId, timestamp: '2026-11-23T00:00:00Z', attempt: 2 });
    expect(patch([event('TASK_STARTED', 'a'), event('TASK_PROGRESS', 'a'), event('TASK_READY', 'nobody')], nodes, ids)).toEqual([0]);
    expect(patch([event('TASK_COMPLETE', 'a'), event('TASK_FAILED', 'b')], nodes, ids)).toEqual([0]);
    expect([nodes[0]?.status, nodes[0]?.attempt, nodes[0]?.endTime, nodes[1]?.status]).toEqual(['completed', 2, '2026-11-23T00:00:00Z', 'pending']);
  });
});

describe('the timeline', () => {
  it('gathers attempts by task in the order of their start', () => {
    const attempt = (taskId: string, second: number, ended: boolean): Attempt => ({ taskId, jobId: 'j', attempt: 1, generation: 1, startTime: `2026-11-23T00:00:0${second}Z`, endTime: ended ? `2026-11-23T00:00:0${second + 1}Z` : null, status: 'success', workerId: 'w', error: null, logs: '' });
    const rows = lanes([attempt('b', 3, true), attempt('a', 1, true), attempt('b', 5, false)]);
    expect(rows.map((lane) => [lane.taskId, lane.attempts.length, lane.end === undefined])).toEqual([['a', 1, false], ['b', 2, true]]);
  });
});

describe('charts', () => {
  it('stack series and end their axis at a round number', () => {
    expect([0, 3, 11, 50, 999].map(roundUp)).toEqual([1, 5, 20, 50, 1_000]);
    expect(stacked([{ name: 'a', tone: 'green', values: [1, 2] }, { name: 'b', tone: 'red', values: [3, 0] }], 2).map((each) => each.bars)).toEqual([[[0, 1], [0, 2]], [[1, 4], [2, 2]]]);
  });

  it('put neighbouring points together, the newest bar always full', () => {
    const points = Array.from({ length: 7 }, (_, index) => ({ at: String(index), ended: {}, ready: 0, running: 0 }));
    expect(gathered(points, 3).map((group) => group.length)).toEqual([1, 3, 3]);
    expect(gathered([], 3)).toEqual([]);
  });
});
