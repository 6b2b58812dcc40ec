// The whole graph in a corner, and which part of it the window shows.
import type { Look } from './draw';
import type { Surface } from './painter';
import type { Scene } from './scene';
import type { Size, View } from './view';

const WIDTH = 168;
const HEIGHT = 112;
/** From the window's corner. */
const INSET = 12;

type Made = { canvas: OffscreenCanvas | HTMLCanvasElement; surface: Surface };

/** Where a picture of this size stands in the minimap, and its scale. */
export function minimapFrame(picture: [number, number], window: Size) {
  const scale = Math.min(WIDTH / Math.max(picture[0], 1), HEIGHT / Math.max(picture[1], 1));
  const [width, height] = [Math.max(picture[0] * scale, 8), Math.max(picture[1] * scale, 8)];
  return { scale, width, height, x: window.width - width - INSET, y: window.height - height - INSET };
}

/** Whether there is more than the window shows. */
export function wantsMinimap(picture: [number, number], view: View, window: Size): boolean {
  const room = window.width > 480 && window.height > 260;
  return room && (picture[0] * view.k > window.width * 1.15 || picture[1] * view.k > window.height * 1.15);
}

/** The small picture, drawn again only when states have changed. */
export class Minimap {
  private picture: Made | undefined;
  private fresh = false;

  constructor(private readonly scene: Scene) {}

  spoil(): void {
    this.fresh = false;
  }

  get(look: Look, make: (width: number, height: number) => Made): Made {
    this.picture ??= make(2 * WIDTH, 2 * HEIGHT);
    if (!this.fresh) this.draw(this.picture.surface, look);
    this.fresh = true;
    return this.picture;
  }

  private draw(surface: Surface, look: Look): void {
    const { scene } = this;
    const scale = 2 * Math.min(WIDTH / Math.max(scene.size[0], 1), HEIGHT / Math.max(scene.size[1], 1));
    surface.setTransform(1, 0, 0, 1, 0, 0);
    surface.fillStyle = look.surface;
    surface.fillRect(0, 0, 2 * WIDTH, 2 * HEIGHT);
    const [width, height] = [Math.max(scene.nodeSize[0] * scale, 1.5), Math.max(scene.nodeSize[1] * scale, 1.5)];
    // Those that need attention last, so that nothing lies over them.
    for (const state of [0, 1, 2, 7, 8, 5, 3, 4, 6]) {
      surface.fillStyle = look.tones[state] ?? look.line;
      for (let node = 0; node < scene.x.length; node += 1) {
        if (scene.states[node] === state) surface.fillRect((scene.x[node] ?? 0) * scale, (scene.y[node] ?? 0) * scale, width, height);
      }
    }
  }
}

export function drawMinimap(surface: Surface, minimap: Minimap, scene: Scene, look: Look, view: View, window: Size, make: (width: number, height: number) => Made): void {
  if (!wantsMinimap(scene.size, view, window)) return;
  const { scale, width, height, x, y } = minimapFrame(scene.size, window);
  const { canvas } = minimap.get(look, make);
  surface.fillStyle = look.surface;
  surface.fillRect(x - 4, y - 4, width + 8, height + 8);
  surface.drawImage(canvas, 0, 0, 2 * width, 2 * height, x, y, width, height);
  surface.lineWidth = 1;
  surface.strokeStyle = look.line;
  surface.strokeRect(x - 4.5, y - 4.5, width + 9, height + 9);
  const left = Math.max(x, x + (-view.tx / view.k) * scale);
  const top = Math.max(y, y + (-view.ty / view.k) * scale);
  const right = Math.min(x + width, x + ((window.width - view.tx) / view.k) * scale);
  const bottom = Math.min(y + height, y + ((window.height - view.ty) / view.k) * scale);
  surface.strokeStyle = look.ink;
  surface.lineWidth = 1.5;
  if (right > left && bottom > top) surface.strokeRect(left, top, right - left, bottom - top);
}
