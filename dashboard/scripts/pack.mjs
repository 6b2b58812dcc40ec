// After the build: compresses what gains by it, and writes the table that the server includes.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { TABLE, filesOf, isServed, read, typeOf } from './assets.mjs';

const DIST = new URL('../dist', import.meta.url).pathname;
const lines = [];
for (const path of filesOf(DIST).filter(isServed)) {
  const bytes = read(DIST, path);
  const type = typeOf(path);
  const tag = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  let packed = 'None, None';
  if (!type.startsWith('font/')) {
    const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
    writeFileSync(`${DIST}/${path}.br`, brotliCompressSync(bytes, brotli));
    writeFileSync(`${DIST}/${path}.gz`, gzipSync(bytes, { level: 9 }));
    packed = `Some(include_bytes!("${path}.br")), Some(include_bytes!("${path}.gz"))`;
  }
  const hashed = path.startsWith('assets/');
  lines.push(`    File::new("/${path}", "${type}", "\\"${tag}\\"", ${hashed}, include_bytes!("${path}"), ${packed}),`);
}
writeFileSync(`${DIST}/${TABLE}`, `// Written by the build of the dashboard; see dashboard/scripts/pack.mjs.\n&[\n${lines.join('\n')}\n]\n`);
