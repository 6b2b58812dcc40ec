// The arithmetic of charts.
import type { Tone } from '../states';

export interface Series {
  name: string;
  tone: Tone;
  values: number[];
}

/** A round number at or above a value: the end of an axis. */
export function roundUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

/** From where to where each bar of each series goes. */
export function stacked(series: Series[], count: number): { tone: Tone; bars: [number, number][] }[] {
  const base = new Array<number>(count).fill(0);
  return series.map(({ tone, values }) => ({
    tone,
    bars: base.map((from, index) => {
      const to = from + (values[index] ?? 0);
      base[index] = to;
      return [from, to];
    }),
  }));
}
