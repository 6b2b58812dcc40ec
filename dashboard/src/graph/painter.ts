// Draws a scene through a view. A large scene is drawn piece by piece into a picture of its own; while that goes on, and
// while the view moves, the picture before is shown moved and scaled, so that no frame waits for all nodes and edges.
import { drawEdges, drawNodes, type Look } from './draw';
import { drawMinimap, Minimap } from './minimap';
import type { Scene } from './scene';
import type { Size, View } from './view';

export type Surface = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
type Picture = { canvas: OffscreenCanvas | HTMLCanvasElement; surface: Surface };

/** How long one piece of drawing may take, in milliseconds. */
const PIECE_MS = 10;
/** Room around the window that is drawn beforehand, as a share of it. */
const MARGIN = 0.25;

export class Painter {
  private scene: Scene | undefined;
  private look: Look | undefined;
  private view: View = { tx: 0, ty: 0, k: 1 };
  private window: Size = { width: 0, height: 0 };
  private ratio = 1;
  private shown: Picture | undefined;
  private shownView: View | undefined;
  private back: Picture | undefined;
  private work: Generator<undefined, void> | undefined;
  private workView: View | undefined;
  private stale = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private minimap: Minimap | undefined;

  constructor(
    private readonly canvas: OffscreenCanvas | HTMLCanvasElement,
    private readonly surface: Surface,
    private readonly make: (width: number, height: number) => Picture,
    private readonly onPainted: () => void,
  ) {}

  setScene(scene: Scene): void {
    this.scene = scene;
    this.minimap = new Minimap(scene);
    this.redraw();
  }

  setStates(nodes: Uint32Array, states: Uint8Array): void {
    const { scene } = this;
    if (!scene) return;
    nodes.forEach((node, place) => (scene.states[node] = states[place] ?? 0));
    this.minimap?.spoil();
    this.stale = true;
    this.schedule();
  }

  setLook(look: Look): void {
    this.look = look;
    this.minimap?.spoil();
    this.redraw();
  }

  setWindow(window: Size, ratio: number): void {
    this.window = window;
    this.ratio = ratio;
    this.canvas.width = Math.round(window.width * ratio);
    this.canvas.height = Math.round(window.height * ratio);
    this.shown = undefined;
    this.back = undefined;
    this.redraw();
  }

  setView(view: View): void {
    this.view = view;
    this.show();
    this.schedule();
  }

  private redraw(): void {
    this.work = undefined;
    this.stale = true;
    this.schedule();
  }

  /** Whether what is drawn, or being drawn, still covers the view sharply enough. */
  private covers(drawn: View | undefined): boolean {
    if (!drawn) return false;
    const ratio = this.view.k / drawn.k;
    if (Math.abs(ratio - 1) > 0.001) return false;
    const [dx, dy] = [Math.abs(this.view.tx - drawn.tx), Math.abs(this.view.ty - drawn.ty)];
    return dx <= this.window.width * MARGIN && dy <= this.window.height * MARGIN;
  }

  private schedule(): void {
    if (this.timer !== undefined || !this.scene || !this.look || this.window.width === 0) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.piece();
    }, 0);
  }

  private piece(): void {
    const { scene, look } = this;
    if (!scene || !look) return;
    if (!this.work || !this.covers(this.workView)) {
      if (!this.stale && !this.work && this.covers(this.shownView)) return;
      this.begin(scene, look);
    }
    const until = performance.now() + PIECE_MS;
    while (this.work && performance.now() < until) {
      if (this.work.next().done) this.finish();
    }
    if (this.work || this.stale) this.schedule();
  }

  /** Whole pixels, so that a picture that only moves stays sharp. */
  private margin(): { x: number; y: number } {
    return { x: Math.round(this.window.width * MARGIN), y: Math.round(this.window.height * MARGIN) };
  }

  private begin(scene: Scene, look: Look): void {
    this.stale = false;
    const margin = this.margin();
    const [width, height] = [this.window.width + 2 * margin.x, this.window.height + 2 * margin.y];
    this.back ??= this.make(Math.round(width * this.ratio), Math.round(height * this.ratio));
    this.workView = this.view;
    const [left, top] = [-margin.x, -margin.y];
    const { surface } = this.back;
    surface.setTransform(1, 0, 0, 1, 0, 0);
    surface.fillStyle = look.ground;
    surface.fillRect(0, 0, width * this.ratio, height * this.ratio);
    const { k, tx, ty } = this.view;
    surface.setTransform(this.ratio * k, 0, 0, this.ratio * k, this.ratio * (tx - left), this.ratio * (ty - top));
    const area = { left: (left - tx) / k, top: (top - ty) / k, right: (left + width - tx) / k, bottom: (top + height - ty) / k };
    this.work = (function* paint() {
      yield* drawEdges(surface, scene, look, area, k);
      yield* drawNodes(surface, scene, look, area, k);
    })();
  }

  private finish(): void {
    [this.shown, this.back] = [this.back, this.shown];
    this.shownView = this.workView;
    this.work = undefined;
    this.show();
    this.onPainted();
  }

  /** Puts the drawn picture where the view wants it. */
  private show(): void {
    const { surface, shown, shownView, look, scene } = this;
    if (!look || !scene) return;
    const { width, height } = this.window;
    surface.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    surface.fillStyle = look.ground;
    surface.fillRect(0, 0, width, height);
    if (shown && shownView) {
      const scale = this.view.k / shownView.k;
      const margin = this.margin();
      const x = this.view.tx - (shownView.tx + margin.x) * scale;
      const y = this.view.ty - (shownView.ty + margin.y) * scale;
      surface.imageSmoothingEnabled = scale !== 1;
      surface.drawImage(shown.canvas, x, y, (shown.canvas.width / this.ratio) * scale, (shown.canvas.height / this.ratio) * scale);
    }
    if (this.minimap) drawMinimap(surface, this.minimap, scene, look, this.view, this.window, this.make);
  }
}
