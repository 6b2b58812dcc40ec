// Nodes and edges on a surface, in three levels of detail. Generators: they pause after every few hundred shapes.
import type { Surface } from './painter';
import type { Scene } from './scene';

/** Colours, taken from the page's style. */
export interface Look {
  ground: string;
  surface: string;
  line: string;
  edge: string;
  ink: string;
  muted: string;
  focus: string;
  font: string;
  /** By state, in the order of `STATES`. */
  tones: string[];
  softs: string[];
  /** The chosen node; -1 for none. */
  chosen: number;
  /** Whether the critical path stands out. */
  critical: boolean;
}

export interface Area {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Shapes between two pauses. */
const PER_PIECE = 250;
/** Below this scale a node is a plain rectangle. */
const PLAIN_BELOW = 0.3;
/** Below this scale it has no words. */
const WORDLESS_BELOW = 0.5;

/** Icons of states on a grid of 16, as the page draws them. */
const ICONS = [
  'M13.5 8A5.5 5.5 0 0 1 11.900 11.900M8 13.500A5.500 5.500 0 0 1 4.100 11.900M2.500 8A5.500 5.500 0 0 1 4.100 4.100M8 2.500A5.500 5.500 0 0 1 11.900 4.100',
  'M13.500 8A5.500 5.500 0 1 1 2.500 8A5.500 5.500 0 1 1 13.500 8M8 5v3l2 1.500',
  'M4.500 2.500h7M4.500 13.500h7M5.500 2.500c0 4 5 4 5 5.500s-5 1.500-5 5.500M10.500 2.500c0 4-5 4-5 5.500s5 1.500 5 5.500',
  'M13.500 8A5.500 5.500 0 1 1 2.500 8A5.500 5.500 0 1 1 13.500 8',
  'M8 2.500A5.500 5.500 0 1 1 2.500 8M8 5v3h3',
  'M13.500 8A5.500 5.500 0 1 1 2.500 8A5.500 5.500 0 1 1 13.500 8M5.500 8.200l1.800 1.800 3.300-3.800',
  'M5.700 2.500h4.600l3.200 3.200v4.600l-3.200 3.200H5.700l-3.200-3.200V5.700zM6.200 6.200l3.600 3.600M9.800 6.200L6.200 9.800',
  'M13.500 8A5.500 5.500 0 1 1 2.500 8A5.500 5.500 0 1 1 13.500 8M4.200 4.200l7.600 7.600',
  'M3 4l4 4-4 4M9 4l4 4-4 4',
];
let iconPaths: Path2D[] | undefined;

export function* drawEdges(surface: Surface, scene: Scene, look: Look, area: Area, k: number): Generator<undefined, void> {
  const count = scene.edges.length / 2;
  const curved = k >= PLAIN_BELOW;
  surface.lineCap = 'round';
  // Lines keep their width on the screen; the more there are, the fainter each.
  const width = Math.max(1 / k, 1.1);
  surface.globalAlpha = count > 4_000 && k < WORDLESS_BELOW ? 0.28 : 0.75;
  surface.lineWidth = width;
  surface.strokeStyle = look.edge;
  let open = 0;
  surface.beginPath();
  for (let edge = 0; edge < count; edge += 1) {
    if (!isNear(scene, edge, area) || (look.critical && scene.criticalEdges[edge])) continue;
    trace(surface, scene, edge, curved);
    open += 1;
    if (open % PER_PIECE === 0) {
      surface.stroke();
      surface.beginPath();
      yield;
    }
  }
  surface.stroke();
  surface.globalAlpha = 1;
  if (look.critical) {
    surface.lineWidth = 2.2 * Math.max(1, 1 / k);
    surface.strokeStyle = look.ink;
    surface.beginPath();
    for (let edge = 0; edge < count; edge += 1) if (scene.criticalEdges[edge] && isNear(scene, edge, area)) trace(surface, scene, edge, curved);
    surface.stroke();
  }
  yield;
  if (look.chosen >= 0) {
    surface.lineWidth = 2.2 * Math.max(1, 1 / k);
    surface.strokeStyle = look.focus;
    surface.beginPath();
    for (let edge = 0; edge < count; edge += 1) if (scene.edges[2 * edge] === look.chosen || scene.edges[2 * edge + 1] === look.chosen) trace(surface, scene, edge, curved);
    surface.stroke();
  }
}

/** Whether an edge may be seen: the box around its ends and bends meets the area. */
function isNear(scene: Scene, edge: number, area: Area): boolean {
  const [from, to] = [scene.edges[2 * edge] ?? 0, scene.edges[2 * edge + 1] ?? 0];
  const [fromX, toX, fromY, toY] = [scene.x[from] ?? 0, scene.x[to] ?? 0, scene.y[from] ?? 0, scene.y[to] ?? 0];
  if (Math.max(fromX, toX) + scene.nodeSize[0] < area.left || Math.min(fromX, toX) > area.right) return false;
  let [low, high] = [Math.min(fromY, toY), Math.max(fromY, toY)];
  for (let at = (scene.bendAt[edge] ?? 0) + 1; at < (scene.bendAt[edge + 1] ?? 0); at += 2) {
    low = Math.min(low, scene.bends[at] ?? low);
    high = Math.max(high, scene.bends[at] ?? high);
  }
  return high + scene.nodeSize[1] >= area.top && low <= area.bottom;
}

function trace(surface: Surface, scene: Scene, edge: number, curved: boolean): void {
  const [from, to] = [scene.edges[2 * edge] ?? 0, scene.edges[2 * edge + 1] ?? 0];
  const half = scene.nodeSize[1] / 2;
  let [x, y] = [(scene.x[from] ?? 0) + scene.nodeSize[0], (scene.y[from] ?? 0) + half];
  surface.moveTo(x, y);
  const go = (toX: number, toY: number) => {
    if (curved && Math.abs(toY - y) > 1) {
      const bow = Math.max(24, Math.abs(toX - x) / 2);
      surface.bezierCurveTo(x + bow, y, toX - bow, toY, toX, toY);
    } else {
      surface.lineTo(toX, toY);
    }
    [x, y] = [toX, toY];
  };
  const reach = scene.nodeSize[0] / 2;
  for (let at = scene.bendAt[edge] ?? 0; at < (scene.bendAt[edge + 1] ?? 0); at += 2) {
    const [bendX, bendY] = [scene.bends[at] ?? 0, scene.bends[at + 1] ?? 0];
    // Straight through the layer, bent between layers.
    go(bendX - reach, bendY);
    go(bendX + reach, bendY);
  }
  go(scene.x[to] ?? 0, (scene.y[to] ?? 0) + half);
}

export function* drawNodes(surface: Surface, scene: Scene, look: Look, area: Area, k: number): Generator<undefined, void> {
  const [width, height] = scene.nodeSize;
  let done = 0;
  const near: number[] = [];
  for (let node = 0; node < scene.x.length; node += 1) {
    const [x, y] = [scene.x[node] ?? 0, scene.y[node] ?? 0];
    if (x + width >= area.left && x <= area.right && y + height >= area.top && y <= area.bottom) near.push(node);
  }
  yield;
  if (k < PLAIN_BELOW) {
    for (let state = 0; state < look.tones.length; state += 1) {
      surface.fillStyle = look.tones[state] ?? look.line;
      for (const node of near) {
        if (scene.states[node] !== state) continue;
        surface.fillRect(scene.x[node] ?? 0, scene.y[node] ?? 0, width, height);
        done += 1;
        if (done % (4 * PER_PIECE) === 0) yield;
      }
    }
  } else {
    for (const node of near) {
      card(surface, scene, look, node, k);
      done += 1;
      if (done % (PER_PIECE / 5) === 0) yield;
    }
  }
  yield;
  outline(surface, scene, look, near, k);
}

/** Marks the critical path and the chosen node. */
function outline(surface: Surface, scene: Scene, look: Look, near: number[], k: number): void {
  const [width, height] = scene.nodeSize;
  surface.lineWidth = 2 * Math.max(1, 1 / k);
  if (look.critical) {
    surface.strokeStyle = look.ink;
    surface.beginPath();
    for (const node of near) if (scene.criticalNodes[node]) surface.roundRect(scene.x[node] ?? 0, scene.y[node] ?? 0, width, height, 6);
    surface.stroke();
  }
  if (look.chosen >= 0 && look.chosen < scene.x.length) {
    const wide = 3 * Math.max(1, 1 / k);
    surface.lineWidth = wide;
    surface.strokeStyle = look.focus;
    surface.beginPath();
    surface.roundRect((scene.x[look.chosen] ?? 0) - wide, (scene.y[look.chosen] ?? 0) - wide, width + 2 * wide, height + 2 * wide, 8);
    surface.stroke();
  }
}

function card(surface: Surface, scene: Scene, look: Look, node: number, k: number): void {
  const [width, height] = scene.nodeSize;
  const [x, y, state] = [scene.x[node] ?? 0, scene.y[node] ?? 0, scene.states[node] ?? 0];
  const tone = look.tones[state] ?? look.line;
  const fold = scene.folds[node];
  surface.fillStyle = look.softs[state] ?? look.surface;
  surface.strokeStyle = tone;
  surface.lineWidth = 1;
  surface.beginPath();
  surface.roundRect(x + 0.5, y + 0.5, width - 1, height - 1, 6);
  surface.fill();
  surface.globalAlpha = 0.55;
  surface.stroke();
  surface.globalAlpha = 1;
  if (fold) shares(surface, look, fold, x + 8, y + height - 7, width - 16);
  if (k < WORDLESS_BELOW) {
    surface.fillStyle = tone;
    surface.fillRect(x + 8, y + height / 2 - 4, 8, 8);
    return;
  }
  iconPaths ??= ICONS.map((path) => new Path2D(path));
  const icon = iconPaths[state];
  if (icon) {
    surface.save();
    surface.translate(x + 9, y + height / 2 - (fold ? 10 : 8));
    surface.lineWidth = 1.5;
    surface.stroke(icon);
    surface.restore();
  }
  surface.fillStyle = look.ink;
  surface.font = `500 12.500px ${look.font}`;
  surface.textBaseline = 'middle';
  const middle = y + height / 2 + (fold ? -2 : 0.5);
  const room = width - 40 - (fold ? 44 : 0);
  surface.fillText(cut(surface, scene.labels[node] ?? '', room), x + 31, middle);
  if (fold) {
    surface.fillStyle = look.muted;
    surface.textAlign = 'right';
    surface.fillText(`${fold[0]?.toLocaleString('en') ?? ''}`, x + width - 9, middle);
    surface.textAlign = 'left';
  }
}

/** The states of the tasks of a folded node, as shares of a line. */
function shares(surface: Surface, look: Look, fold: number[], x: number, y: number, width: number): void {
  const total = Math.max(fold[0] ?? 1, 1);
  let at = x;
  look.tones.forEach((tone, state) => {
    const share = ((fold[state + 1] ?? 0) / total) * width;
    surface.fillStyle = tone;
    surface.fillRect(at, y, share, 3);
    at += share;
  });
}

const cuts = new Map<string, string>();

/** A text that fits, with an ellipsis where it was cut. Remembered: measuring is what costs. */
function cut(surface: Surface, text: string, room: number): string {
  const key = `${room} ${text}`;
  const known = cuts.get(key);
  if (known !== undefined) return known;
  let fits = text;
  if (surface.measureText(text).width > room) {
    let [low, high] = [0, text.length];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (surface.measureText(`${text.slice(0, middle)}…`).width <= room) low = middle;
      else high = middle - 1;
    }
    fits = `${text.slice(0, low)}…`;
  }
  if (cuts.size > 50_000) cuts.clear();
  cuts.set(key, fits);
  return fits;
}

/** After the font has come, texts are measured anew. */
export function forgetCuts(): void {
  cuts.clear();
}
