// Small charts of time: stacked bars, and lines. Each says in words what it shows.
import { useId } from 'react';
import { absolute } from '../format';
import { usePrefs } from '../prefs';
import { roundUp, stacked, type Series } from './chart-scale';

interface Props {
  label: string;
  series: Series[];
  /** Milliseconds of each value. */
  times: number[];
  format: (value: number) => string;
  kind: 'bars' | 'lines';
}

const WIDTH = 600;
const HEIGHT = 132;
const FOOT = 18;
const HEAD = 14;

export function Chart({ label, series, times, format, kind }: Props) {
  const { zone } = usePrefs();
  const id = useId();
  const count = times.length;
  const totals = times.map((_, index) => {
    const values = series.map((each) => each.values[index] ?? 0);
    return kind === 'bars' ? values.reduce((a, b) => a + b, 0) : Math.max(0, ...values.filter((value) => !Number.isNaN(value)));
  });
  const top = roundUp(Math.max(...totals, 0));
  const inner = HEIGHT - FOOT - HEAD;
  const x = (index: number) => (index / Math.max(kind === 'bars' ? count : count - 1, 1)) * WIDTH;
  const y = (value: number) => HEAD + inner * (1 - value / top);
  const peak = Math.max(...totals, 0);
  const summary = count === 0 ? `${label}: no data yet` : `${label}: now ${format(totals.at(-1) ?? 0)}, at most ${format(peak)}`;
  const clock = (at: number) => absolute(at, zone).slice(11, 16);
  return (
    <figure style={{ margin: 0 }}>
      <svg className="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-labelledby={id}>
        <title id={id}>{summary}</title>
        <line className="axis" x1="0" x2={WIDTH} y1={HEIGHT - FOOT} y2={HEIGHT - FOOT} vectorEffect="non-scaling-stroke" />
        <line className="axis" x1="0" x2={WIDTH} y1={HEAD} y2={HEAD} strokeDasharray="2 4" vectorEffect="non-scaling-stroke" />
        {kind === 'bars'
          ? stacked(series, count).map(({ tone, bars }, layer) => (
              <path key={layer} fill={`var(--${tone})`} d={bars.map(([from, to], index) => (to > from ? `M${x(index)} ${y(from)}V${y(to)}H${x(index + 1)}V${y(from)}Z` : '')).join('')} />
            ))
          : series.map(({ name, tone, values }) => (
              <path key={name} fill="none" stroke={`var(--${tone})`} strokeWidth="1.500" vectorEffect="non-scaling-stroke" d={line(values, x, y)} />
            ))}
      </svg>
      <figcaption className="legend">
        {series.map(({ name, tone, values }) => (
          <span key={name} className={`tone-${tone}`}>
            <i />
            {name} <span className="muted">{format(values.at(-1) ?? 0)}</span>
          </span>
        ))}
        <span style={{ marginLeft: 'auto' }}>
          {count > 0 ? `${clock(times[0] ?? 0)} – ${clock(times.at(-1) ?? 0)} · top ${format(top)}` : 'the first points come within seconds'}
        </span>
      </figcaption>
    </figure>
  );
}

function line(values: number[], x: (index: number) => number, y: (value: number) => number): string {
  let path = '';
  let pen = 'M';
  for (const [index, value] of values.entries()) {
    if (Number.isNaN(value)) {
      pen = 'M';
      continue;
    }
    path += `${pen}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = 'L';
  }
  return path;
}
