// The canvas and the hand on it: drag, wheel, pinch, keys. Drawing happens in a worker; without one, in the page.
import { useCallback, useEffect, useImperativeHandle, useLayoutEffect, useRef, useState, type Ref } from 'react';
import { usePrefs } from '../prefs';
import { look as stateLook } from '../states';
import type { Look } from './draw';
import { minimapFrame, wantsMinimap } from './minimap';
import type { FromPainter, ToPainter } from './paint.worker';
import { Painter } from './painter';
import { nodeAt, STATES, type Scene } from './scene';
import { centred, fit, held, zoomAt, type Size, type View } from './view';

export interface Hand {
  fit: () => void;
  zoom: (factor: number) => void;
  centre: (node: number) => void;
  states: (nodes: number[], states: number[]) => void;
}

interface Props {
  scene: Scene;
  label: string;
  chosen: number;
  critical: boolean;
  onChoose: (node: number) => void;
  onOpen: (node: number) => void;
  onHover: (node: number, x: number, y: number) => void;
  hand: Ref<Hand>;
}

function readLook(chosen: number, critical: boolean): Look {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const tones = STATES.map((state) => of(stateLook(state).tone));
  const softs = STATES.map((state) => of(`${stateLook(state).tone}-soft`));
  return { ground: of('ground'), surface: of('surface'), line: of('line'), edge: of('line-strong'), ink: of('ink'), muted: of('muted'), focus: of('focus'), font: of('font'), tones, softs, chosen, critical };
}

/** A painter behind one function, wherever it runs. */
function painterOf(canvas: HTMLCanvasElement, onPainted: () => void): { send: (message: ToPainter) => void; stop: () => void } {
  if (typeof canvas.transferControlToOffscreen === 'function') {
    const worker = new Worker(new URL('./paint.worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = (message: MessageEvent<FromPainter>) => message.data.kind === 'painted' && onPainted();
    const offscreen = canvas.transferControlToOffscreen();
    worker.postMessage({ kind: 'canvas', canvas: offscreen } satisfies ToPainter, [offscreen]);
    return { send: (message) => worker.postMessage(message), stop: () => worker.terminate() };
  }
  const surface = canvas.getContext('2d', { alpha: false });
  if (!surface) return { send: () => undefined, stop: () => undefined };
  const make = (width: number, height: number) => {
    const other = Object.assign(document.createElement('canvas'), { width, height });
    return { canvas: other, surface: other.getContext('2d', { alpha: false }) ?? surface };
  };
  const painter = new Painter(canvas, surface, make, onPainted);
  const send = (message: ToPainter) => {
    if (message.kind === 'scene') painter.setScene(message.scene);
    if (message.kind === 'states') painter.setStates(message.nodes, message.states);
    if (message.kind === 'look') painter.setLook(message.look);
    if (message.kind === 'window') painter.setWindow(message.window, message.ratio);
    if (message.kind === 'view') painter.setView(message.view);
  };
  return { send, stop: () => undefined };
}

const STEP = 80;

export function GraphCanvas({ scene, label, chosen, critical, onChoose, onOpen, onHover, hand }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const painter = useRef<ReturnType<typeof painterOf> | undefined>(undefined);
  const view = useRef<View>({ tx: 0, ty: 0, k: 1 });
  const size = useRef<Size>({ width: 0, height: 0 });
  const latest = useRef(scene);
  const [grabbing, setGrabbing] = useState(false);
  const [painted, setPainted] = useState(false);
  const prefs = usePrefs();
  latest.current = scene;

  const show = useCallback((next: View) => {
    view.current = held(next, latest.current.size, size.current);
    painter.current?.send({ kind: 'view', view: view.current });
  }, []);
  const least = useCallback(() => Math.min(0.5, fit(latest.current.size, size.current).k * 0.8), []);
  const fitNow = useCallback(() => show(fit(latest.current.size, size.current)), [show]);

  // The canvas is made by hand: its control can be given away only once, and React may mount twice.
  useLayoutEffect(() => {
    const element = holder.current;
    if (!element) return;
    const canvas = document.createElement('canvas');
    canvas.setAttribute('aria-hidden', 'true');
    element.prepend(canvas);
    const own = painterOf(canvas, () => setPainted(true));
    painter.current = own;
    const measure = () => {
      const first = size.current.width === 0;
      size.current = { width: element.clientWidth, height: element.clientHeight };
      own.send({ kind: 'window', window: size.current, ratio: Math.min(window.devicePixelRatio, 2) });
      if (first) fitNow();
      else show(view.current);
    };
    size.current = { width: 0, height: 0 };
    const observer = new ResizeObserver(measure);
    measure();
    observer.observe(element);
    return () => {
      observer.disconnect();
      own.stop();
      canvas.remove();
    };
  }, [fitNow, show]);

  const shape = `${scene.x.length} ${scene.size.join(' ')}`;
  const drawnShape = useRef('');
  useEffect(() => {
    painter.current?.send({ kind: 'scene', scene });
    // The same picture with other states keeps the place that somebody looks at.
    if (drawnShape.current !== shape) fitNow();
    drawnShape.current = shape;
  }, [scene, shape, fitNow]);
  useEffect(() => {
    painter.current?.send({ kind: 'look', look: readLook(chosen, critical) });
  }, [chosen, critical, prefs]);

  useImperativeHandle(hand, () => ({
    fit: fitNow,
    zoom: (factor) => show(zoomAt(view.current, factor, size.current.width / 2, size.current.height / 2, least())),
    centre: (node) => show(centred((scene.x[node] ?? 0) + scene.nodeSize[0] / 2, (scene.y[node] ?? 0) + scene.nodeSize[1] / 2, view.current, size.current)),
    states: (nodes, states) => painter.current?.send({ kind: 'states', nodes: Uint32Array.from(nodes), states: Uint8Array.from(states) }),
  }), [scene, fitNow, show, least]);

  const pointers = useRef(new Map<number, [number, number]>());
  const moved = useRef(0);
  const place = (event: React.PointerEvent): [number, number] => {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const under = ([x, y]: [number, number]) => nodeAt(scene, (x - view.current.tx) / view.current.k, (y - view.current.ty) / view.current.k);
  const toMinimap = ([x, y]: [number, number]): boolean => {
    if (!wantsMinimap(scene.size, view.current, size.current)) return false;
    const frame = minimapFrame(scene.size, size.current);
    if (x < frame.x || y < frame.y || x > frame.x + frame.width || y > frame.y + frame.height) return false;
    const { k } = view.current;
    show({ k, tx: size.current.width / 2 - ((x - frame.x) / frame.scale) * k, ty: size.current.height / 2 - ((y - frame.y) / frame.scale) * k });
    return true;
  };
  const onDown = (event: React.PointerEvent) => {
    const at = place(event);
    event.currentTarget.setPointerCapture(event.pointerId);
    moved.current = toMinimap(at) ? 99 : 0;
    pointers.current.set(event.pointerId, at);
    setGrabbing(true);
  };
  const onMove = (event: React.PointerEvent) => {
    const at = place(event);
    const before = pointers.current.get(event.pointerId);
    if (!before) {
      onHover(under(at), at[0], at[1]);
      return;
    }
    if (moved.current === 99 && pointers.current.size === 1 && toMinimap(at)) return;
    const others = [...pointers.current.entries()].filter(([id]) => id !== event.pointerId);
    const other = others[0]?.[1];
    if (other) {
      const distance = (a: [number, number], b: [number, number]) => Math.hypot(a[0] - b[0], a[1] - b[1]);
      show(zoomAt(view.current, distance(at, other) / Math.max(distance(before, other), 1), (at[0] + other[0]) / 2, (at[1] + other[1]) / 2, least()));
    } else {
      const { tx, ty, k } = view.current;
      moved.current = Math.max(moved.current, Math.abs(at[0] - before[0]) + Math.abs(at[1] - before[1]));
      show({ k, tx: tx + at[0] - before[0], ty: ty + at[1] - before[1] });
    }
    pointers.current.set(event.pointerId, at);
  };
  const onUp = (event: React.PointerEvent) => {
    const had = pointers.current.delete(event.pointerId);
    if (pointers.current.size === 0) setGrabbing(false);
    if (had && moved.current < 4 && event.type === 'pointerup') onChoose(under(place(event)));
  };
  // React listens to wheels passively; zooming must keep the page from scrolling.
  useEffect(() => {
    const element = holder.current;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element?.getBoundingClientRect();
      const pixels = event.deltaMode === 1 ? 30 : 1;
      const factor = Math.exp((-event.deltaY * pixels) / (event.ctrlKey ? 120 : 500));
      show(zoomAt(view.current, factor, event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0), least()));
    };
    element?.addEventListener('wheel', onWheel, { passive: false });
    return () => element?.removeEventListener('wheel', onWheel);
  }, [show, least]);
  const onKey = (event: React.KeyboardEvent) => {
    const { tx, ty, k } = view.current;
    const moves: Record<string, [number, number]> = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    const move = moves[event.key];
    if (move) show({ k, tx: tx + move[0], ty: ty + move[1] });
    else if (event.key === '+' || event.key === '=') show(zoomAt(view.current, 1.25, size.current.width / 2, size.current.height / 2, least()));
    else if (event.key === '-') show(zoomAt(view.current, 0.8, size.current.width / 2, size.current.height / 2, least()));
    else if (event.key === 'f') fitNow();
    else if (event.key === 'Enter' && chosen >= 0) onOpen(chosen);
    else return;
    event.preventDefault();
  };
  return (
    <div ref={holder} className={`stage${grabbing ? ' grabbing' : ''}`} tabIndex={0} role="application" aria-label={label} aria-roledescription="graph"
      data-painted={painted} onPointerDown={onDown} onPointerMove={onMove} onPointerUp={onUp} onPointerCancel={onUp} onPointerLeave={() => onHover(-1, 0, 0)}
      onDoubleClick={() => chosen >= 0 && onOpen(chosen)} onKeyDown={onKey} />
  );
}
