// A table of any length: only rows in view are in the document. Arrow keys, j and k move, Enter opens, x selects.
import { useEffect, useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { usePrefs } from '../prefs';
import { navigate } from '../router';

export interface Column<T> {
  title: string;
  /** A CSS grid track; `time`: as wide as an instant is written. */
  width: string | 'time';
  /** `brief`: the table is narrow. */
  cell: (row: T, brief: boolean) => ReactNode;
  right?: boolean;
  /** Left out below this width of the table, in pixels. */
  from?: number;
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  count: number;
  at: (index: number) => T | undefined;
  keyOf: (row: T) => string;
  href?: (row: T) => string;
  onShow?: (first: number, last: number) => void;
  version?: number;
  selected?: Set<string>;
  onSelect?: (key: string, on: boolean) => void;
  rowHeight?: number;
  className?: string;
  empty?: ReactNode;
  foot?: ReactNode;
}

/**
 * Browsers draw no element taller than about 33 million pixels. A list that would be taller has a scroll bar of this length,
 * and each of its pixels stands for several.
 */
export const HEIGHT_MAX = 16_000_000;

/** How far the rows have moved up when the scroll bar stands at `at`, in a view of `height` over `total` pixels of rows. */
export function rowsAt(at: number, height: number, total: number): number {
  if (total <= HEIGHT_MAX) return at;
  return at * Math.max(1, (total - height) / (HEIGHT_MAX - height));
}

/** Where the scroll bar stands when the rows have moved up by `rows`; the reverse of `rowsAt`. */
export function barAt(rows: number, height: number, total: number): number {
  return rows / Math.max(rowsAt(1, height, total), 1);
}

/** Height of the line of titles, in pixels. */
const HEADER = 34;
/** Width of a table below which instants are written in short. */
const BRIEF_BELOW = 620;
/** Rows drawn beyond the edges. */
const MARGIN = 8;

/** The size of an element, followed. */
function useSize(): [React.RefObject<HTMLDivElement | null>, { width: number; height: number }] {
  const ref = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 1_024, height: 600 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, size];
}

const isTyping = (target: EventTarget | null) => target instanceof HTMLElement && target.matches('input, textarea, select');

export function Table<T>(props: Props<T>) {
  const { columns, count, at, keyOf, href, onShow, version, selected, onSelect, rowHeight = 36 } = props;
  const [ref, size] = useSize();
  const { times } = usePrefs();
  const [top, setTop] = useState(0);
  const [active, setActive] = useState(-1);
  const shown = columns.filter((column) => size.width >= (column.from ?? 0));
  const brief = size.width < BRIEF_BELOW;
  const time = times === 'absolute' && !brief ? '148px' : '88px';
  const template = [...(onSelect ? ['16px'] : []), ...shown.map((column) => (column.width === 'time' ? time : column.width))].join(' ');
  const total = count * rowHeight;
  const view = Math.max(0, size.height - HEADER);
  const moved = rowsAt(top, view, total);
  // Where the scroll bar stands for more than its length, rows that come behind would move those in view.
  const held = useRef(0);
  useLayoutEffect(() => {
    const scroll = ref.current;
    if (!scroll || total <= HEIGHT_MAX) return;
    scroll.scrollTop = barAt(held.current, view, total);
    setTop(scroll.scrollTop);
    // Only the length of the list asks for it.
  }, [total]);
  const first = Math.max(0, Math.floor(moved / rowHeight) - MARGIN);
  const last = Math.min(count - 1, Math.ceil((moved + size.height) / rowHeight) + MARGIN);
  useEffect(() => {
    onShow?.(first, Math.max(last, 0));
  }, [onShow, first, last, version, count]);

  const scrolled = (to: number) => {
    held.current = rowsAt(to, view, total);
    setTop(to);
  };
  const move = (to: number) => {
    const index = Math.max(0, Math.min(count - 1, to));
    setActive(index);
    const scroll = ref.current;
    if (!scroll) return;
    const [above, below] = [index * rowHeight, (index + 1) * rowHeight + HEADER];
    if (above < moved) scroll.scrollTop = barAt(above, view, total);
    else if (below > moved + size.height) scroll.scrollTop = barAt(below - size.height, view, total);
  };
  const onKey = useRef((_: KeyboardEvent) => {});
  onKey.current = (event) => {
    if (isTyping(event.target) || event.metaKey || event.ctrlKey || event.altKey || document.querySelector('dialog[open]')) return;
    const row = active >= 0 ? at(active) : undefined;
    const inside = ref.current?.contains(event.target as Node) ?? false;
    if (event.key === 'j' || (inside && event.key === 'ArrowDown')) move(active + 1);
    else if (event.key === 'k' || (inside && event.key === 'ArrowUp')) move(active - 1);
    else if (event.key === 'x' && row && onSelect) onSelect(keyOf(row), !selected?.has(keyOf(row)));
    else if (event.key === 'Enter' && row && href && (inside || event.target === document.body) && !(event.target instanceof HTMLAnchorElement)) navigate(href(row));
    else return;
    event.preventDefault();
  };
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey.current(event);
    window.addEventListener('keydown', listener);
    return () => window.removeEventListener('keydown', listener);
  }, []);

  const rows = [];
  for (let index = first; index <= last; index += 1) {
    const row = at(index);
    const key = row ? keyOf(row) : `at ${index}`;
    const style = { transform: `translateY(${index * rowHeight - moved + top}px)`, gridTemplateColumns: template, height: rowHeight };
    rows.push(
      <div key={key} role="row" aria-rowindex={index + 2} className={`row${index === active ? ' active' : ''}`} style={style}>
        {onSelect && (
          <div role="cell">
            <input type="checkbox" aria-label={`Select ${key}`} checked={selected?.has(key) ?? false} disabled={!row} onChange={(event) => onSelect(key, event.target.checked)} />
          </div>
        )}
        {shown.map((column) => (
          <div key={column.title} role="cell" className={column.right ? 'right cut' : 'cut'}>
            {row ? column.cell(row, brief) : <div className="skeleton" />}
          </div>
        ))}
      </div>,
    );
  }
  return (
    <div className={`card table ${props.className ?? ''}`}>
      <div className="scroll" ref={ref} tabIndex={0} role="region" aria-label={props.label} onScroll={(event) => scrolled(event.currentTarget.scrollTop)}>
        {count === 0 && props.empty ? (
          props.empty
        ) : (
          <div role="table" aria-label={props.label} aria-rowcount={count + 1}>
            <div role="rowgroup" style={{ position: 'sticky', top: 0, zIndex: 1 }}>
              <div role="row" className="cols" style={{ gridTemplateColumns: template }}>
                {onSelect && <div role="columnheader"><span className="unseen">Selected</span></div>}
                {shown.map((column) => (
                  <div key={column.title} role="columnheader" className={column.right ? 'right cut' : 'cut'}>{column.title}</div>
                ))}
              </div>
            </div>
            <div role="rowgroup" style={{ position: 'relative', height: Math.min(total, HEIGHT_MAX) }}>{rows}</div>
          </div>
        )}
      </div>
      {props.foot && <div className="foot">{props.foot}</div>}
    </div>
  );
}
