// Small pieces: a state, an instant, a copied text, a bar of states, a note, what stands where nothing is.
import { Fragment, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore, type ReactNode } from 'react';
import { absolute, counted, relative, took } from '../format';
import { usePrefs } from '../prefs';
import { look, type Tone } from '../states';
import type { Count } from '../api/types';
import type { Refusal } from '../api/client';
import { Icon, type IconName } from './icons';

export function Status({ state, pill, word }: { state: string; pill?: boolean; word?: string }) {
  const { tone, icon } = look(state);
  return (
    <span className={`status tone-${tone}${pill ? ' pill' : ''}`}>
      <Icon name={icon} className={state === 'running' && word === undefined ? 'icon spin' : 'icon'} />
      {word ?? state}
    </span>
  );
}

// One clock for the page, ticking once a second while anybody looks at it.
const clockWatchers = new Set<() => void>();
let now = Date.now();
let clock: ReturnType<typeof setInterval> | undefined;

function watchClock(watcher: () => void): () => void {
  clockWatchers.add(watcher);
  clock ??= setInterval(() => {
    now = Date.now();
    clockWatchers.forEach((each) => each());
  }, 1_000);
  return () => {
    clockWatchers.delete(watcher);
    if (clockWatchers.size === 0) {
      clearInterval(clock);
      clock = undefined;
    }
  };
}

export function useNow(): number {
  return useSyncExternalStore(watchClock, () => now);
}

/** An instant, as the person prefers it; the other way stands in its title. `brief`: only the time of today, only the day of others. */
export function Time({ at, precise, brief }: { at: string | null | undefined; precise?: boolean; brief?: boolean }) {
  const { zone, times } = usePrefs();
  const current = useNow();
  if (!at) return <span className="muted">—</span>;
  const instant = Date.parse(at);
  const full = absolute(instant, zone, true);
  const ago = relative(instant, Math.max(current, now));
  const [day, hour] = absolute(instant, zone).split(' ');
  const short = absolute(current, zone).startsWith(day ?? '') ? hour : day;
  const shown = precise ? full : times === 'relative' ? ago : brief ? short : `${day} ${hour}`;
  return (
    <time dateTime={at} title={times === 'relative' && !precise ? full : ago} className="nowrap">
      {shown}
    </time>
  );
}

/** How long something took; a live timer until it has ended. */
export function Took({ start, end }: { start: string | null | undefined; end: string | null | undefined }) {
  const current = useNow();
  return <span className="nowrap">{took(start, end, current)}</span>;
}

async function copyText(text: string): Promise<void> {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  // Plain HTTP has no clipboard; a selected field does.
  const field = document.createElement('textarea');
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand('copy');
  field.remove();
}

export function Copy({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1_200);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () => void copyText(text).then(() => setDone(true));
  return (
    <button type="button" className="button bare tiny" onClick={copy} aria-label={done ? 'Copied' : `Copy ${what}`} title={`Copy ${what}`}>
      <Icon name={done ? 'check' : 'copy'} />
    </button>
  );
}

/** A line for a shell. */
export function Shell({ line }: { line: string }) {
  return (
    <div className="line-of-code" data-cli={line}>
      <code tabIndex={0} role="textbox" aria-readonly="true" aria-label="Command line">{line}</code>
      <Copy text={line} what="the command" />
    </div>
  );
}

/** Parts of a whole by state. */
export function StateBar({ states, total }: { states: Record<string, number>; total: number }) {
  const shown = Object.entries(states).filter(([, count]) => count > 0);
  const text = shown.map(([state, count]) => `${count} ${state}`).join(', ') || 'nothing';
  return (
    <span className="bar" role="img" aria-label={text} title={text}>
      {shown.map(([state, count]) => (
        <i key={state} className={`tone-${look(state).tone}`} style={{ width: `${(100 * count) / Math.max(total, 1)}%` }} />
      ))}
    </span>
  );
}

export function Counted({ count }: { count: Count | undefined }) {
  return <>{counted(count)}</>;
}

export function Note({ tone = 'grey', icon, children }: { tone?: Tone; icon?: IconName; children: ReactNode }) {
  return (
    <div className={`note tone-${tone}`} role={tone === 'red' ? 'alert' : 'status'}>
      {icon && <Icon name={icon} style={{ marginTop: 2 }} />}
      <div>{children}</div>
    </div>
  );
}

export function Trouble({ error }: { error: Refusal | undefined }) {
  if (!error) return null;
  return (
    <Note tone="red" icon="failed">
      <Ticked text={error.message} />
      {error.hint && <> — <Ticked text={error.hint} /></>}
      {error.items.length > 1 && (
        <ul>{error.items.map((item) => <li key={`${item.pointer} ${item.detail}`}><code>{item.pointer}</code> <Ticked text={item.detail} />{item.hint && <> — <Ticked text={item.hint} /></>}</li>)}</ul>
      )}
    </Note>
  );
}

/** Says what would stand here, and the command that makes the first one. */
export function Empty({ title, children, line }: { title: string; children?: ReactNode; line?: string }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {line && <Shell line={line} />}
    </div>
  );
}

/**
 * A table that may be wider than the window: it can be scrolled by keys, too. In a narrow one each row becomes a block, in
 * which every cell says what its column is.
 */
export function Wide({ label, card, children }: { label: string; card?: boolean; children: ReactNode }) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const titles = [...(ref.current?.querySelectorAll('thead th') ?? [])].map((title) => (title.querySelector('.unseen') ? '' : title.textContent ?? ''));
    for (const row of ref.current?.querySelectorAll('tbody tr') ?? []) [...row.children].forEach((cell, place) => cell.setAttribute('data-title', titles[place] ?? ''));
  });
  return <div ref={ref} className={card ? 'card wide-table' : 'wide-table'} tabIndex={0} role="region" aria-label={label}>{children}</div>;
}

/** A text of the server, in which backticks are around what somebody wrote. */
export function Ticked({ text }: { text: string }) {
  return <>{text.split(/`([^`\n]+)`/).map((part, place) => (place % 2 === 0 ? part : <code key={place}>{part}</code>))}</>;
}

const INSTANT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;

/** A sentence of the server, with its instants in the zone that the person prefers. */
export function Sentence({ text }: { text: string }) {
  const { zone } = usePrefs();
  const current = useNow();
  const shown = text.charAt(0).toUpperCase() + text.slice(1);
  const instants = shown.match(INSTANT) ?? [];
  const time = (at: string) => <time dateTime={at} title={relative(Date.parse(at), current)}>{absolute(Date.parse(at), zone)}</time>;
  return <>{shown.split(INSTANT).map((part, place) => <Fragment key={place}><Ticked text={part} />{instants[place] && time(instants[place])}</Fragment>)}</>;
}

export function Skeleton({ lines = 4 }: { lines?: number }) {
  return (
    <div className="grid" style={{ padding: 16 }} aria-busy="true" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <div key={line} className="skeleton" style={{ width: `${70 - ((line * 17) % 40)}%` }} />
      ))}
    </div>
  );
}
