// The painter off the page's thread: panning never waits for drawing.
import fontUrl from '@fontsource-variable/inter/files/inter-latin-wght-normal.woff2?url';
import { forgetCuts, type Look } from './draw';
import { Painter } from './painter';
import type { Scene } from './scene';
import type { Size, View } from './view';

export type ToPainter =
  | { kind: 'canvas'; canvas: OffscreenCanvas }
  | { kind: 'scene'; scene: Scene }
  | { kind: 'states'; nodes: Uint32Array; states: Uint8Array }
  | { kind: 'look'; look: Look }
  | { kind: 'window'; window: Size; ratio: number }
  | { kind: 'view'; view: View };
export type FromPainter = { kind: 'painted' };

let painter: Painter | undefined;
let look: Look | undefined;
/** Goes before the page's fonts once it is there. A canvas keeps what a name meant to it, so it is a name of its own. */
const OWN_FONT = 'Graph Inter';
let hasFont = false;

function setLook(): void {
  if (look) painter?.setLook(hasFont ? { ...look, font: `'${OWN_FONT}', ${look.font}` } : look);
}

function make(width: number, height: number) {
  const canvas = new OffscreenCanvas(width, height);
  const surface = canvas.getContext('2d', { alpha: false });
  if (!surface) throw new Error('this browser has no canvas in workers');
  return { canvas, surface };
}

onmessage = ({ data }: MessageEvent<ToPainter>) => {
  if (data.kind === 'canvas') {
    const surface = data.canvas.getContext('2d', { alpha: false });
    if (!surface) return;
    painter = new Painter(data.canvas, surface, make, () => postMessage({ kind: 'painted' } satisfies FromPainter));
    void loadFont();
  } else if (data.kind === 'scene') {
    painter?.setScene(data.scene);
  } else if (data.kind === 'states') {
    painter?.setStates(data.nodes, data.states);
  } else if (data.kind === 'look') {
    look = data.look;
    setLook();
  } else if (data.kind === 'window') {
    painter?.setWindow(data.window, data.ratio);
  } else {
    painter?.setView(data.view);
  }
};

/** Workers do not see the page's fonts. */
async function loadFont(): Promise<void> {
  try {
    const font = await new FontFace(OWN_FONT, `url(${fontUrl})`, { weight: '100 900' }).load();
    (self as unknown as { fonts: FontFaceSet }).fonts.add(font);
    hasFont = true;
    forgetCuts();
    setLook();
  } catch {
    // The next font of the list does.
  }
}
