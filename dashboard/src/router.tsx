// Addresses of the dashboard: the path says which screen, the query what is filtered. One history, links are real links.
export { match } from './router-match';
import { useCallback, useSyncExternalStore, type AnchorHTMLAttributes, type MouseEvent } from 'react';

const listeners = new Set<() => void>();
let announced = false;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (!announced) {
    announced = true;
    window.addEventListener('popstate', () => listeners.forEach((each) => each()));
  }
  return () => listeners.delete(listener);
}

const address = () => location.pathname + location.search;

/** Goes to another address; `replace` leaves no step in the history. */
export function navigate(to: string, replace = false): void {
  if (to === address()) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  listeners.forEach((each) => each());
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

/** One query parameter, and how to set it. An empty one leaves the address. */
export function useParam(name: string): [string, (value: string) => void] {
  const search = useSyncExternalStore(subscribe, () => location.search);
  const value = new URLSearchParams(search).get(name) ?? '';
  const set = useCallback(
    (next: string) => {
      const params = new URLSearchParams(location.search);
      if (next === '') params.delete(name);
      else params.set(name, next);
      const text = params.toString();
      navigate(location.pathname + (text && `?${text}`), true);
    },
    [name],
  );
  return [value, set];
}

export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const go = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (event.defaultPrevented || !plain) return;
    event.preventDefault();
    navigate(href);
  };
  return <a href={href} onClick={go} {...rest} />;
}
