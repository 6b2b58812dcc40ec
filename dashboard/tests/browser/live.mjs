// What happens appears by itself: over one stream for all tabs, without one where there are no shared workers, and after a
// server was gone.
import assert from 'node:assert/strict';

export const live = [
  ['what is submitted appears by itself, in each of eight tabs, over the shared stream', async ({ server, visit }) => {
    const first = await visit();
    const asked = [];
    first.page.on('request', (request) => request.url().includes('/api/v1/events') && asked.push(request.url()));
    await first.page.goto(`${server.url}/tasks?q=tag%3Alive`);
    await first.page.locator('[data-connection="live"]').waitFor();
    // A browser opens six connections to a server at most: with a stream for each tab the seventh would wait for ever.
    const others = [];
    for (let tab = 2; tab <= 8; tab += 1) {
      const page = await first.page.context().newPage();
      page.on('request', (request) => request.url().includes('/api/v1/events') && asked.push(request.url()));
      await page.goto(`${server.url}/events?text=just-now`);
      await page.locator('[data-connection="live"]').waitFor();
      others.push(page);
    }
    await server.post('/api/v1/tasks', { taskId: 'just-now', type: 'noop', tags: ['live'] });
    await first.page.getByRole('row', { name: /completed just-now/ }).waitFor();
    for (const page of others) await page.getByText('just-now').first().waitFor();
    assert.deepEqual(asked, [], 'the page opened a stream of its own');
  }],
  ['without shared workers the page has a stream of its own, and just one', async ({ server, visit }) => {
    const { page } = await visit();
    await page.addInitScript(() => delete globalThis.SharedWorker);
    const asked = [];
    page.on('request', (request) => request.url().includes('/api/v1/events') && asked.push(request.url()));
    await page.goto(`${server.url}/tasks?q=id%3Aalone`);
    await page.locator('[data-connection="live"]').waitFor();
    await server.post('/api/v1/tasks', { taskId: 'alone', type: 'noop' });
    await page.getByRole('row', { name: /completed alone/ }).waitFor();
    await page.getByRole('link', { name: 'Events' }).click();
    await page.getByRole('heading', { name: 'Events' }).waitFor();
    assert.equal(asked.length, 1);
  }],
  ['a running task shows what it prints as it prints', async ({ server, visit }) => {
    const { page } = await visit();
    await server.post('/api/v1/tasks', { taskId: 'talks', type: 'shell', command: ['sh', '-c', 'echo first words; i=0; while [ ! -e go ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; echo last words'], workingDir: server.folder });
    await server.status('/api/v1/tasks/talks', 'running');
    await page.goto(`${server.url}/tasks/talks`);
    await page.getByText('first words', { exact: true }).waitFor();
    await page.getByText('following').waitFor();
    const { writeFileSync } = await import('node:fs');
    writeFileSync(`${server.folder}/go`, '');
    await page.getByText('last words', { exact: true }).waitFor();
    await page.getByRole('main').getByText('completed').first().waitFor();
  }],
  ['a server that is gone is said to be gone, and what was missed is caught up', async ({ server, visit }) => {
    const { page, errors } = await visit();
    await page.goto(`${server.url}/tasks?q=tag%3Aafter`);
    await page.locator('[data-connection="live"]').waitFor();
    await server.stop('SIGKILL');
    await page.getByText(/disconnected, last seen \d+ s ago/).waitFor();
    await server.run();
    await server.post('/api/v1/tasks', { taskId: 'came-after', type: 'noop', tags: ['after'] });
    await page.locator('[data-connection="live"]').waitFor({ timeout: 15_000 });
    await page.getByRole('row', { name: /completed came-after/ }).waitFor();
    // The browser itself logs what it could not fetch, under a name for each way in which a connection ends.
    errors.splice(0, errors.length, ...errors.filter((error) => !error.startsWith('Failed to load resource: net::ERR_')));
  }],
];
