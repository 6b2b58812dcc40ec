// What the build made: every file of `dist` that is served, by name.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/** Files that the build writes beside what is served. */
export const TABLE = 'files.in';

/** Media types by ending; another ending is an error of the build. */
const TYPES = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  woff2: 'font/woff2',
};

export function typeOf(path) {
  const type = TYPES[path.split('.').at(-1)];
  if (!type) throw new Error(`no media type is known for ${path}`);
  return type;
}

/** Paths below a folder, sorted, with `/`. */
export function filesOf(folder) {
  const all = (at) => readdirSync(at).flatMap((name) => (statSync(join(at, name)).isDirectory() ? all(join(at, name)) : [join(at, name)]));
  return all(folder).map((path) => relative(folder, path).split(sep).join('/')).sort();
}

export const isServed = (path) => path !== TABLE && !path.endsWith('.br') && !path.endsWith('.gz');

export const read = (folder, path) => readFileSync(join(folder, path));
