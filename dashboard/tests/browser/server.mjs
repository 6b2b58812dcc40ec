// A real server for the tests: the binary on a free port over a file in a temporary folder, and calls of its API.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = new URL('../../..', import.meta.url).pathname;
const BINARY = process.env.MAINSPRING_BIN ?? join(ROOT, 'target/debug/mainspring');
/** The longest time anything here may take; a test that needs it has failed. */
export const PATIENCE_MS = 20_000;

export function freePort() {
  return new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

/** Asks again and again until `look` gives something; fails with `what` after a while. */
export async function until(what, look, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  let last;
  while (Date.now() < end) {
    try {
      const found = await look();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((next) => setTimeout(next, 25));
  }
  throw new Error(`${what} did not come true within ${patience} ms${last ? `: ${last.message}` : ''}`);
}

export class Server {
  constructor(port, folder, store) {
    this.port = port;
    this.folder = folder;
    this.store = store ?? `sqlite:${join(folder, 'test.db')}`;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** A server over a file of its own, or over the store at a URL. */
  static async start(store) {
    const server = new Server(await freePort(), mkdtempSync(join(tmpdir(), 'mainspring-dashboard-')), store);
    await server.run();
    return server;
  }

  async run() {
    const options = ['dev', '--listen', `127.0.0.1:${this.port}`, '--store', this.store, '--quiet'];
    this.process = spawn(BINARY, options, { cwd: this.folder, stdio: ['ignore', 'ignore', 'inherit'] });
    await until('the server is ready', async () => (await fetch(`${this.url}/readyz`)).ok);
  }

  /** Ends the process, politely or not; the file stays. */
  async stop(signal = 'SIGTERM') {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = new Promise((done) => this.process.once('exit', done));
    this.process.kill(signal);
    await gone;
  }

  async close() {
    await this.stop('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  async call(method, path, body) {
    const init = { method, headers: { 'Content-Type': 'application/json' }, body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body) };
    const response = await fetch(this.url + path, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  get(path) {
    return this.call('GET', path);
  }

  post(path, body) {
    return this.call('POST', path, body);
  }

  /** The object at a path once it has this status. */
  status(path, wanted) {
    return until(`${path} is ${wanted}`, async () => {
      const found = await this.get(path);
      return found.status === wanted && found;
    });
  }
}
