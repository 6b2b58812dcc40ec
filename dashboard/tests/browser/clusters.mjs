// The cluster screen: one node on SQLite, and two on a Redis of the test's own of which one dies.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, freePort, until } from './server.mjs';

/** A Redis that dies with this process: the shell kills it once its own input ends. */
async function redis(folder) {
  const port = await freePort();
  const script = 'redis-server "$@" & read _; kill -9 $!; wait';
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'yes', '--dir', folder];
  const shell = spawn('sh', ['-c', script, 'sh', ...options], { stdio: ['pipe', 'ignore', 'ignore'] });
  const gone = new Promise((done) => shell.once('exit', done));
  const close = async () => {
    shell.stdin.end();
    await gone;
  };
  await until('redis listens', () => listens(port));
  return { url: `redis://127.0.0.1:${port}/?shards=4`, close };
}

/** Whether somebody takes a connection. */
function listens(port) {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => done(true));
    socket.once('error', () => done(false));
    socket.once('connect', () => socket.end());
  });
}

export const clusters = [
  ['one node on its own is well, and says how to become more', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/`);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('c');
    await page.getByRole('heading', { name: 'All is well' }).waitFor();
    await page.locator(`[data-cli="mainspring doctor --server ${server.url}"]`).waitFor();
    await page.getByText('sqlite promises D2').waitFor();
    const { nodeId } = await server.get('/api/v1/cluster');
    await page.locator(`[data-node="${nodeId}"]`, { hasText: 'answers this page' }).getByText('1 of 1').waitFor();
    await page.locator('[data-cli^="mainspring serve --store postgres:"]').waitFor();
  }],
  ['a node that dies is seen to die, and its shards to move', async ({ visit }) => {
    const folder = mkdtempSync(join(tmpdir(), 'mainspring-cluster-'));
    const store = await redis(folder);
    const nodes = [];
    try {
      nodes.push(await Server.start(store.url), await Server.start(store.url));
      const [first, second] = nodes;
      const shared = await until('the shards are shared', async () => {
        const found = await first.get('/api/v1/cluster');
        return found.nodes.length === 2 && found.nodes.every((node) => node.shards.length === 2) && found;
      });
      const other = shared.nodes.find((node) => node.nodeId !== shared.nodeId);
      const { page } = await visit({ server: first });
      await page.goto(`${first.url}/cluster`);
      await page.getByText('2 nodes, all alive').waitFor();
      await page.locator(`[data-node="${other.nodeId}"]`).getByText('2 of 4').waitFor();
      await second.stop('SIGKILL');
      await page.getByRole('heading', { name: /Moves since/ }).waitFor({ timeout: 20_000 });
      await page.locator(`[data-node="${shared.nodeId}"]`).getByText('4 of 4').waitFor();
      const after = await first.get('/api/v1/cluster');
      for (const { shard, epoch } of after.shards) assert.equal(await page.locator(`[data-shard="${shard}"] td`).nth(2).innerText(), String(epoch));
    } finally {
      for (const node of nodes) await node.close();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }],
];
