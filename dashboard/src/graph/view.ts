// The window onto a picture: how it moves, zooms and fits. Screen = picture × k + (tx, ty).

export interface View {
  tx: number;
  ty: number;
  k: number;
}

export interface Size {
  width: number;
  height: number;
}

export const ZOOM_MAX = 2;
/** Space around a fitted picture. */
const EDGE = 24;

/** Shows all of a picture, in its middle. */
export function fit(picture: [number, number], window: Size): View {
  const [width, height] = [Math.max(picture[0], 1), Math.max(picture[1], 1)];
  const k = Math.min(1.25, (window.width - 2 * EDGE) / width, (window.height - 2 * EDGE) / height);
  return { k, tx: (window.width - width * k) / 2, ty: (window.height - height * k) / 2 };
}

/** Zooms by a factor so that the point under the pointer stays. */
export function zoomAt(view: View, factor: number, x: number, y: number, least: number): View {
  const k = Math.min(ZOOM_MAX, Math.max(least, view.k * factor));
  const ratio = k / view.k;
  return { k, tx: x - (x - view.tx) * ratio, ty: y - (y - view.ty) * ratio };
}

/** Keeps at least a corner of the picture in the window. */
export function held(view: View, picture: [number, number], window: Size): View {
  const margin = 80;
  const bounded = (at: number, length: number, space: number) => Math.min(space - margin, Math.max(margin - length, at));
  const [tx, ty] = [bounded(view.tx, picture[0] * view.k, window.width), bounded(view.ty, picture[1] * view.k, window.height)];
  // On whole pixels, so that lines are sharp.
  return { k: view.k, tx: Math.round(tx), ty: Math.round(ty) };
}

/** Puts a node into the middle, large enough to be read. */
export function centred(x: number, y: number, view: View, window: Size): View {
  const k = Math.max(view.k, 0.8);
  return { k, tx: window.width / 2 - x * k, ty: window.height / 2 - y * k };
}
