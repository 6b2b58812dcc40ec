// Which address a pattern means.

/** The captured segments of a path that fits a pattern like `/jobs/:job`, decoded; `null` if it does not fit. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split('/');
  const given = path.replace(/(.)\/$/, '$1').split('/');
  if (wanted.length !== given.length) return null;
  const found: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const have = given[index] ?? '';
    if (part.startsWith(':')) {
      if (have === '') return null;
      try {
        found[part.slice(1)] = decodeURIComponent(have);
      } catch {
        return null;
      }
    } else if (part !== have) {
      return null;
    }
  }
  return found;
}
