// Short messages about what was done, with the command that does the same, and a way back where there is one.
import { useSyncExternalStore } from 'react';
import type { Tone } from '../states';
import { Shell } from './basics';
import { Icon } from './icons';

export interface Toast {
  id: number;
  tone: Tone;
  text: string;
  line?: string;
  undo?: () => void;
}

/** How long a message stays. */
const SHOWN_MS = 8_000;
let toasts: Toast[] = [];
let next = 1;
const watchers = new Set<() => void>();

function change(to: Toast[]): void {
  toasts = to;
  watchers.forEach((each) => each());
}

export function toast(message: Omit<Toast, 'id'>): void {
  const id = next;
  next += 1;
  change([...toasts.slice(-2), { ...message, id }]);
  setTimeout(() => dismiss(id), SHOWN_MS);
}

function dismiss(id: number): void {
  change(toasts.filter((each) => each.id !== id));
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function Toasts() {
  const shown = useSyncExternalStore(watch, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((each) => (
        <div key={each.id} className="toast">
          <header className={`tone-${each.tone}`}>
            <span className="status">
              <Icon name={each.tone === 'red' ? 'failed' : 'completed'} />
            </span>
            <span>{each.text}</span>
            <span className="rest">
              {each.undo && (
                <button type="button" className="button tiny" onClick={() => { each.undo?.(); dismiss(each.id); }}>
                  Undo
                </button>
              )}
              <button type="button" className="button bare tiny" aria-label="Dismiss" onClick={() => dismiss(each.id)}>
                <Icon name="close" />
              </button>
            </span>
          </header>
          {each.line && <Shell line={each.line} />}
        </div>
      ))}
    </div>
  );
}
