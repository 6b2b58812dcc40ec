// What a person chose and this browser remembers: theme, time zone, how times are written.
import { useSyncExternalStore } from 'react';

export interface Prefs {
  theme: 'system' | 'light' | 'dark';
  zone: 'local' | 'utc';
  times: 'relative' | 'absolute';
}

const KEY = 'mainspring';
const DEFAULTS: Prefs = { theme: 'system', zone: 'local', times: 'relative' };
const listeners = new Set<() => void>();
let current = read();

function read(): Prefs {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Prefs>) };
  } catch {
    return DEFAULTS;
  }
}

export function setPrefs(change: Partial<Prefs>): void {
  current = { ...current, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    // A browser that keeps nothing still shows everything.
  }
  applyTheme();
  listeners.forEach((each) => each());
}

export function usePrefs(): Prefs {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
}

const dark = typeof matchMedia === 'function' ? matchMedia('(prefers-color-scheme: dark)') : undefined;

/** The theme that is shown. */
export function shownTheme(): 'light' | 'dark' {
  return current.theme === 'system' ? (dark?.matches ? 'dark' : 'light') : current.theme;
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = shownTheme();
}

dark?.addEventListener('change', () => {
  applyTheme();
  listeners.forEach((each) => each());
});
if (typeof window !== 'undefined') {
  window.addEventListener('storage', (event) => {
    if (event.key !== KEY) return;
    current = read();
    applyTheme();
    listeners.forEach((each) => each());
  });
}
