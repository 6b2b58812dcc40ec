// The frame: navigation, the state of the connection, keys, and which screen an address means.
import { useEffect, useRef, useState, type ReactElement } from 'react';
import { connectionWords } from './app-words';
import { counted } from './format';
import { useLive } from './live/live';
import { Empty, useNow } from './parts/basics';
import { Guard } from './parts/guard';
import { Icon } from './parts/icons';
import { Help, Palette } from './parts/palette';
import { Toasts } from './parts/toast';
import { setPrefs, shownTheme, usePrefs } from './prefs';
import { Link, match, navigate, usePath } from './router';
import { SCREENS } from './screens';
import { Cluster } from './screens/cluster';
import { DeadLetters } from './screens/dead-letters';
import { Definition } from './screens/definition';
import { Definitions, Profiles } from './screens/definitions';
import { Events } from './screens/events';
import { Job } from './screens/job';
import { Jobs, Tasks } from './screens/lists';
import { Audit, Queues, Workers } from './screens/operations';
import { Overview } from './screens/overview';
import { Schedule } from './screens/schedule';
import { Schedules } from './screens/schedules';
import { Task } from './screens/task';

type Segments = Record<string, string>;
const TABS = new Set(['timeline', 'tasks', 'events', 'logs']);

const ROUTES: [string, (segments: Segments) => ReactElement | null][] = [
  ['/', () => <Overview />],
  ['/jobs', () => <Jobs />],
  ['/jobs/:job', ({ job = '' }) => <Job id={job} tab="" />],
  ['/jobs/:job/:tab', ({ job = '', tab = '' }) => (TABS.has(tab) ? <Job id={job} tab={tab} /> : null)],
  ['/jobs/:job/tasks/:task', ({ job = '', task = '' }) => <Task key={`${job}/${task}`} taskId={task} jobId={job} />],
  ['/tasks', () => <Tasks />],
  ['/tasks/:task', ({ task = '' }) => <Task key={task} taskId={task} jobId={null} />],
  ['/dead-letters', () => <DeadLetters />],
  ['/schedules', () => <Schedules />],
  ['/schedules/:name', ({ name = '' }) => <Schedule key={name} name={name} />],
  ['/queues', () => <Queues />],
  ['/workers', () => <Workers />],
  ['/cluster', () => <Cluster />],
  ['/definitions', () => <Definitions />],
  ['/definitions/:kind/:name', ({ kind = '', name = '' }) => <Definition key={`${kind}/${name}`} kind={kind} name={name} />],
  ['/profiles', () => <Profiles />],
  ['/profiles/:name', ({ name = '' }) => <Definition key={name} kind="profiles" name={name} />],
  ['/events', () => <Events />],
  ['/audit', () => <Audit />],
];

function screenOf(path: string): ReactElement {
  for (const [pattern, screen] of ROUTES) {
    const segments = match(pattern, path);
    const shown = segments && screen(segments);
    if (shown) return shown;
  }
  return (
    <div className="screen">
      <Empty title="There is no such screen">
        Nothing of the dashboard stands at this address. <Link href="/" style={{ textDecoration: 'underline' }}>Go to the overview</Link>.
      </Empty>
    </div>
  );
}

/** The screen of the navigation that a path belongs to. */
export function sectionOf(path: string): string {
  const inside = SCREENS.filter(({ href }) => href !== '/' && (path === href || path.startsWith(`${href}/`)));
  return inside[0]?.href ?? (path === '/' ? '/' : '');
}

export function App() {
  const path = usePath();
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const main = useRef<HTMLElement>(null);
  useKeys(() => setPalette(true), () => setHelp(true));
  const section = sectionOf(path);
  useEffect(() => {
    const title = SCREENS.find((screen) => screen.href === section)?.title ?? 'Mainspring';
    document.title = path === '/' ? 'Mainspring' : `${decodeURIComponent(path.split('/').at(-1) ?? '')} · ${title} · Mainspring`;
    main.current?.scrollTo(0, 0);
  }, [path, section]);
  return (
    <div className="app">
      <a className="skip" href="#main">Skip to the content</a>
      <Side section={section} />
      <header className="top">
        <button type="button" className="find" onClick={() => setPalette(true)}>
          <Icon name="search" /> Go to …<kbd>⌘K</kbd>
        </button>
        <span className="rest" />
        <Connection />
        <Switches onHelp={() => setHelp(true)} />
      </header>
      <main id="main" ref={main} tabIndex={-1}><Guard key={path}>{screenOf(path)}</Guard></main>
      <Toasts />
      {palette && <Palette onClose={() => setPalette(false)} onHelp={() => setHelp(true)} />}
      {help && <Help onClose={() => setHelp(false)} />}
    </div>
  );
}

function Side({ section }: { section: string }) {
  const stats = useLive((live) => live.stats);
  const nav = useRef<HTMLElement>(null);
  // On a narrow window the navigation scrolls: where one is stays in view.
  useEffect(() => {
    void nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [section, stats === undefined]);
  const tallies: Record<string, string> = stats ? { '/workers': String(stats.workers), '/jobs': counted(stats.jobs.running) } : {};
  return (
    <div className="side">
      <Link className="brand" href="/"><img src="/favicon.svg" alt="" width="22" height="22" /> Mainspring</Link>
      <nav aria-label="Screens" ref={nav}>
        {SCREENS.map(({ href, title, icon }) => (
          <Link key={href} href={href} aria-current={section === href ? 'page' : undefined}>
            <Icon name={icon} /> {title}
            {tallies[href] && tallies[href] !== '0' && <span className="tally">{tallies[href]}</span>}
          </Link>
        ))}
      </nav>
      <footer>{stats ? `version ${stats.version}` : ' '}<br /><a href="/docs">API</a></footer>
    </div>
  );
}

function Connection() {
  const connection = useLive((live) => live.connection);
  const lastSeen = useLive((live) => live.lastSeen);
  const now = useNow();
  const [tone, words] = connectionWords({ connection, lastSeen }, Math.max(now, lastSeen));
  return <span className={`live tone-${tone}`} data-connection={connection} role="status"><i />{words}</span>;
}

function Switches({ onHelp }: { onHelp: () => void }) {
  const { zone, times } = usePrefs();
  const dark = shownTheme() === 'dark';
  return (
    <>
      <button type="button" className="button bare tiny wide" onClick={() => setPrefs({ times: times === 'relative' ? 'absolute' : 'relative' })} title="Relative or absolute times">{times}</button>
      <button type="button" className="button bare tiny" onClick={() => setPrefs({ zone: zone === 'utc' ? 'local' : 'utc' })} title="Time zone of absolute times" aria-label={`Time zone: ${zone}`}>{zone === 'utc' ? 'UTC' : 'local'}</button>
      <button type="button" className="button bare tiny" onClick={() => setPrefs({ theme: dark ? 'light' : 'dark' })} aria-label={dark ? 'Light theme' : 'Dark theme'}><Icon name={dark ? 'sun' : 'moon'} /></button>
      <button type="button" className="button bare tiny wide" onClick={onHelp} aria-label="Keys"><Icon name="help" /></button>
    </>
  );
}

/** After `g`, how long the next letter may take. */
const CHORD_MS = 1_200;

function useKeys(onPalette: () => void, onHelp: () => void): void {
  const handlers = useRef({ onPalette, onHelp });
  handlers.current = { onPalette, onHelp };
  useEffect(() => {
    let chordUntil = 0;
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        if (!document.querySelector('dialog[open]')) handlers.current.onPalette();
        return;
      }
      const typing = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
      if (typing || event.metaKey || event.ctrlKey || event.altKey || document.querySelector('dialog[open]')) return;
      if (Date.now() < chordUntil) {
        chordUntil = 0;
        const screen = SCREENS.find(({ key }) => key === event.key);
        if (screen) {
          event.preventDefault();
          event.stopImmediatePropagation();
          navigate(screen.href);
        }
        return;
      }
      if (event.key === 'g') chordUntil = Date.now() + CHORD_MS;
      else if (event.key === '?') handlers.current.onHelp();
      else if (event.key === 't') setPrefs({ theme: shownTheme() === 'dark' ? 'light' : 'dark' });
      else if (event.key === '/') document.querySelector<HTMLElement>('[data-search]')?.focus();
      else return;
      event.preventDefault();
    };
    window.addEventListener('keydown', onKey, true);
    return () => window.removeEventListener('keydown', onKey, true);
  }, []);
}
