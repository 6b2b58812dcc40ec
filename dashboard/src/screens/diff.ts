// The lines in which two texts differ: longest common subsequence, after equal ends are cut off.

export interface DiffLine {
  kind: 'same' | 'add' | 'del';
  text: string;
}

/** Lines of which the table of the comparison may be made; beyond, everything in between counts as replaced. */
const CELLS_MAX = 4_000_000;

export function diff(before: string, after: string): DiffLine[] {
  const [a, b] = [before.split('\n'), after.split('\n')];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const same = (text: string): DiffLine => ({ kind: 'same', text });
  const middle = between(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return [...a.slice(0, start).map(same), ...middle, ...a.slice(a.length - end).map(same)];
}

function between(a: string[], b: string[]): DiffLine[] {
  const replaced = () => [...a.map((text): DiffLine => ({ kind: 'del', text })), ...b.map((text): DiffLine => ({ kind: 'add', text }))];
  if (a.length * b.length > CELLS_MAX) return replaced();
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: 'same', text: a[i] ?? '' });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ kind: 'del', text: a[i] ?? '' });
      i += 1;
    } else {
      lines.push({ kind: 'add', text: b[j] ?? '' });
      j += 1;
    }
  }
  return lines;
}

/** The lines of two texts side by side: what was replaced stands beside what replaced it. */
export function paired(lines: DiffLine[]): [DiffLine | undefined, DiffLine | undefined][] {
  const rows: [DiffLine | undefined, DiffLine | undefined][] = [];
  let [gone, come]: [DiffLine[], DiffLine[]] = [[], []];
  const flush = () => {
    for (let place = 0; place < Math.max(gone.length, come.length); place += 1) rows.push([gone[place], come[place]]);
    [gone, come] = [[], []];
  };
  for (const line of lines) {
    if (line.kind === 'del') gone.push(line);
    else if (line.kind === 'add') come.push(line);
    else {
      flush();
      rows.push([line, line]);
    }
  }
  flush();
  return rows;
}
