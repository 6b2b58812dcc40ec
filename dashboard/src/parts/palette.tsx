// ⌘K: go to any screen, job or task by a few letters of its name; switch theme and zone. And `?`: the keys.
import { useEffect, useMemo, useState } from 'react';
import { get, jobHref, query, taskHref } from '../api/client';
import type { Job, Page, Task } from '../api/types';
import { setPrefs, shownTheme, usePrefs } from '../prefs';
import { navigate } from '../router';
import { SCREENS } from '../screens';
import { Status } from './basics';
import { Dialog } from './dialog';
import { Icon, type IconName } from './icons';

interface Entry {
  key: string;
  title: string;
  about: string;
  icon?: IconName;
  state?: string;
  act: () => void;
}

/** Jobs and tasks that are offered of each. */
const OFFERED = 6;

/** Whether the letters of `wanted` stand in `text` in their order. */
export function fits(wanted: string, text: string): boolean {
  let at = 0;
  const low = text.toLowerCase();
  for (const letter of wanted.toLowerCase()) {
    at = low.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

export function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState(0);
  const [found, setFound] = useState<Entry[]>([]);
  const { zone, times } = usePrefs();
  const fixed = useMemo<Entry[]>(() => {
    const screens = SCREENS.map((screen): Entry => ({ key: screen.href, title: screen.title, about: `g ${screen.key}`, icon: screen.icon, act: () => navigate(screen.href) }));
    const dark = shownTheme() === 'dark';
    return [
      ...screens,
      { key: 'theme', title: dark ? 'Light theme' : 'Dark theme', about: 't', icon: dark ? 'sun' : 'moon', act: () => setPrefs({ theme: dark ? 'light' : 'dark' }) },
      { key: 'zone', title: zone === 'utc' ? 'Local time' : 'UTC', about: 'time zone', icon: 'scheduled', act: () => setPrefs({ zone: zone === 'utc' ? 'local' : 'utc' }) },
      { key: 'times', title: times === 'relative' ? 'Absolute times' : 'Relative times', about: 'times', icon: 'scheduled', act: () => setPrefs({ times: times === 'relative' ? 'absolute' : 'relative' }) },
      { key: 'help', title: 'Keys', about: '?', icon: 'help', act: onHelp },
      { key: 'docs', title: 'API', about: '/docs', icon: 'definitions', act: () => location.assign('/docs') },
    ];
  }, [zone, times, onHelp]);
  useEffect(() => {
    const wanted = text.trim();
    setFound([]);
    if (wanted.length < 2) return;
    const control = new AbortController();
    const timer = setTimeout(() => {
      const by = (q: string) => query({ q, limit: OFFERED });
      const quoted = wanted.replace(/[^A-Za-z0-9._-]/g, '');
      if (quoted === '') return;
      const jobs = get<Page<Job>>(`/api/v1/jobs${by(`id:${quoted}*`)}`, control.signal);
      const tasks = get<Page<Task>>(`/api/v1/tasks${by(`id:${quoted}*`)}`, control.signal);
      void Promise.allSettled([jobs, tasks]).then(([jobsFound, tasksFound]) => {
        if (control.signal.aborted) return;
        const entries: Entry[] = [];
        if (jobsFound.status === 'fulfilled') entries.push(...jobsFound.value.items.map((job): Entry => ({ key: `j ${job.jobId}`, title: job.jobId, about: job.jobName ?? 'job', state: job.status, act: () => navigate(jobHref(job.jobId)) })));
        if (tasksFound.status === 'fulfilled') entries.push(...tasksFound.value.items.map((task): Entry => ({ key: `t ${task.jobId ?? ''} ${task.taskId}`, title: task.taskId, about: task.jobId ? `task of ${task.jobId}` : 'task', state: task.status, act: () => navigate(taskHref(task.taskId, task.jobId)) })));
        setFound(entries);
      });
    }, 120);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [text]);
  const searching: Entry[] = text.trim() === '' ? [] : [{ key: 'q', title: `Tasks that match “${text.trim()}”`, about: 'search', icon: 'search', act: () => navigate(`/tasks${query({ q: text.trim() })}`) }];
  const entries = [...fixed.filter((entry) => fits(text.trim(), entry.title)), ...found, ...searching];
  const at = Math.min(chosen, entries.length - 1);
  const take = (entry: Entry | undefined) => {
    onClose();
    entry?.act();
  };
  return (
    <Dialog label="Go to" onClose={onClose} className="palette">
      <input
        autoFocus role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant={`palette-${at}`} aria-label="Go to a screen, a job or a task"
        placeholder="Go to a screen, a job or a task" value={text} autoComplete="off" spellCheck={false}
        onChange={(event) => { setText(event.target.value); setChosen(0); }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') setChosen((at + 1) % entries.length);
          else if (event.key === 'ArrowUp') setChosen((at + entries.length - 1) % entries.length);
          else if (event.key === 'Enter') take(entries[at]);
          else return;
          event.preventDefault();
        }}
      />
      <ul id="palette-list" role="listbox" aria-label="Found">
        {entries.map((entry, index) => (
          <li key={entry.key} id={`palette-${index}`} role="option" aria-selected={index === at} onMouseMove={() => setChosen(index)} onClick={() => take(entry)}>
            {entry.state ? <Status state={entry.state} word="" /> : entry.icon && <Icon name={entry.icon} />}
            <span className={entry.state ? 'mono cut' : 'cut'}>{entry.title}</span>
            <span className="muted small">{entry.about}</span>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

const KEYS: [string, string][] = [
  ['⌘K or Ctrl K', 'go to anything'],
  ['/', 'search on this screen'],
  ['g, then a letter', 'go to a screen'],
  ['j, k', 'next and previous row'],
  ['Enter', 'open the row'],
  ['x', 'select the row'],
  ['arrows, + and −, f', 'move, zoom and fit a graph'],
  ['t', 'light or dark'],
  ['Esc', 'close'],
  ['?', 'this list'],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog label="Keys" onClose={onClose}>
      <div className="inside">
        <h2>Keys</h2>
        <dl className="kv">
          {KEYS.map(([key, about]) => <div key={key} style={{ display: 'contents' }}><dt><kbd>{key}</kbd></dt><dd>{about}</dd></div>)}
        </dl>
        <h3>Screens</h3>
        <dl className="kv">
          {SCREENS.map((screen) => <div key={screen.href} style={{ display: 'contents' }}><dt><kbd>g {screen.key}</kbd></dt><dd>{screen.title}</dd></div>)}
        </dl>
        <div className="ends"><button type="button" className="button" onClick={onClose}>Close</button></div>
      </div>
    </Dialog>
  );
}
