// Whether the committed build is what the sources make: builds anew beside it and compares. Compressed files are compared
// by what they contain, since compressors differ between versions of Node.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { filesOf, read } from './assets.mjs';

const HERE = new URL('..', import.meta.url).pathname;
const kept = mkdtempSync(join(tmpdir(), 'dashboard-'));
const complaints = [];
try {
  cpSync(join(HERE, 'dist'), kept, { recursive: true });
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: HERE, stdio: ['ignore', 'ignore', 'inherit'] });
  const [before, after] = [filesOf(kept), filesOf(join(HERE, 'dist'))];
  for (const path of new Set([...before, ...after])) {
    if (!before.includes(path)) complaints.push(`${path}: the sources make it, and it is not committed`);
    else if (!after.includes(path)) complaints.push(`${path}: is committed, and the sources do not make it`);
    else if (path.endsWith('.br') || path.endsWith('.gz')) {
      const plain = path.slice(0, -3);
      const unpack = path.endsWith('.br') ? brotliDecompressSync : gunzipSync;
      if (!unpack(read(kept, path)).equals(read(kept, plain))) complaints.push(`${path}: does not contain ${plain}`);
    } else if (!read(kept, path).equals(read(join(HERE, 'dist'), path))) complaints.push(`${path}: differs from what the sources make`);
  }
} finally {
  rmSync(join(HERE, 'dist'), { recursive: true, force: true });
  cpSync(kept, join(HERE, 'dist'), { recursive: true });
  rmSync(kept, { recursive: true, force: true });
}
for (const complaint of complaints) console.log(complaint);
if (complaints.length > 0) console.log('run `npm run build` in `dashboard` and commit what it makes');
process.exit(complaints.length > 0 ? 1 : 0);
