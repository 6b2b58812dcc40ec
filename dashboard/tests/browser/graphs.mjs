// Graphs: of ten thousand tasks without a long task of the page's thread, of many more folded, with keys, as a list, live.
import assert from 'node:assert/strict';
import { layered } from './seed.mjs';

const BIG = 10_000;
const HUGE = 100_000;

/** Counts tasks of the main thread that are longer than 50 ms. */
export const watchLongTasks = () => {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => globalThis.longTasks.push(Math.round(entry.duration)))).observe({ type: 'longtask', buffered: true });
};

/** Where each node is on the screen, by asking the page what a pointer there would find. */
async function clickNode(page, name) {
  await page.getByRole('textbox', { name: 'Find a node' }).fill(name);
  await page.keyboard.press('Enter');
  await page.locator(`[data-chosen]`).waitFor();
}

/** Drags the graph along and back; how long the tasks of the page's thread took that were too long, in ms. */
async function pan(page, box) {
  await page.evaluate(() => (globalThis.longTasks = []));
  await page.mouse.down();
  for (let step = 0; step < 60; step += 1) await page.mouse.move(box.x + 300 - step * 4, box.y + 200 - step);
  for (let step = 60; step >= 0; step -= 1) await page.mouse.move(box.x + 300 - step * 4, box.y + 200 - step);
  await page.mouse.up();
  await page.waitForTimeout(300);
  return page.evaluate(() => globalThis.longTasks);
}

async function submit(server, job, queue = 'held') {
  await server.post(`/api/v1/queues/${queue}/pause`);
  job.tasks.forEach((task) => (task.queue = queue));
  await server.post('/api/v1/jobs', job);
}

export const graphs = [
  ['a graph of ten thousand tasks is painted within a second and stays smooth', async ({ server, visit }) => {
    await submit(server, layered('ten-thousand', BIG, 50, (index) => `stage ${Math.floor(index / 1_000)}`));
    await server.get('/api/v1/jobs/ten-thousand/graph/layout');
    const { page } = await visit();
    await page.addInitScript(watchLongTasks);
    await page.goto(`${server.url}/jobs/ten-thousand?list=yes`);
    await page.getByText('10,000 tasks').waitFor();
    const painted = await page.evaluate(async () => {
      const button = [...document.querySelectorAll('button')].find((each) => each.textContent === 'As a graph');
      const start = performance.now();
      button.click();
      while (document.querySelector('.stage')?.dataset.painted !== 'true') await new Promise((next) => requestAnimationFrame(next));
      return performance.now() - start;
    });
    assert.ok(painted <= 1_000, `painted after ${painted} ms`);
    const box = await page.locator('.stage').boundingBox();
    await page.mouse.move(box.x + 300, box.y + 200);
    for (let turn = 0; turn < 6; turn += 1) await page.mouse.wheel(0, -160);
    // A neighbour of the machine can hold the page's thread for a moment, the page itself holds it each time.
    let long;
    for (let round = 0; round < 3 && long?.length !== 0; round += 1) long = await pan(page, box);
    assert.deepEqual(long, [], `tasks of the main thread took ${long} ms`);
    await page.screenshot({ path: new URL('../../artifacts/graph-10000.png', import.meta.url).pathname });
  }],
  ['a graph beyond what can be read opens folded, and a fold opens', async ({ server, visit }) => {
    await submit(server, layered('huge', HUGE, 2_000), 'frozen');
    const { page } = await visit();
    await page.addInitScript(watchLongTasks);
    await page.goto(`${server.url}/jobs/huge`);
    await page.getByText(/100,000 tasks in \d+ nodes/).waitFor({ timeout: 30_000 });
    const stage = page.locator('.stage[data-painted="true"]');
    await stage.waitFor({ timeout: 1_000 });
    const box = await stage.boundingBox();
    await page.mouse.move(box.x + 300, box.y + 200);
    let long;
    for (let round = 0; round < 3 && long?.length !== 0; round += 1) long = await pan(page, box);
    assert.deepEqual(long, [], `tasks of the main thread took ${long} ms`);
    await page.getByRole('button', { name: 'By group', pressed: true }).waitFor();
    await clickNode(page, 'wave 5');
    await page.getByRole('button', { name: 'Open these 2000' }).click();
    await page.waitForURL(/expand=stage/);
    await page.getByRole('button', { name: 'Fold again' }).waitFor();
    await page.waitForFunction(() => Number(document.querySelector('[data-nodes]')?.dataset.nodes) > 2_000);
  }],
  ['a graph folds by group and by state', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/jobs/ten-thousand`);
    await page.getByRole('button', { name: 'By group' }).click();
    await page.getByText('10,000 tasks in 10 nodes').waitFor();
    await page.getByRole('button', { name: 'By state' }).click();
    await page.getByText(/10,000 tasks in (?!10 )\d+ nodes/).waitFor();
    assert.match(page.url(), /collapse=state/);
  }],
  ['a graph is walked by keys and leads to its tasks', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/jobs/report-bad`);
    await page.locator('.stage[data-painted="true"]').waitFor();
    await clickNode(page, 'render');
    await page.locator('[data-chosen="render"]').waitFor();
    await page.locator('.stage').focus();
    for (const key of ['+', '-', 'ArrowLeft', 'ArrowUp', 'f']) await page.keyboard.press(key);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'render' }).waitFor();
  }],
  ['the list beside the graph says the same in words', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/jobs/report-bad`);
    await page.getByRole('button', { name: 'As a list' }).click();
    const table = page.getByRole('table', { name: /as a list/ });
    await table.getByRole('row', { name: /failed render load, check-totals/ }).waitFor();
    assert.equal(await table.getByRole('row').count(), 9);
  }],
  ['a graph follows its tasks while they run, by what it hears alone', async ({ server, visit }) => {
    const { page } = await visit();
    for (const queue of ['watched', 'never']) await server.post(`/api/v1/queues/${queue}/pause`);
    const task = (taskId, queue, ...needs) => ({ taskId, type: 'noop', queue, needs });
    await server.post('/api/v1/jobs', { jobId: 'watched', tasks: [task('zero', 'default'), task('one', 'watched', 'zero'), task('two', 'watched', 'one'), task('three', 'never')] });
    await server.status('/api/v1/jobs/watched/tasks/zero', 'completed');
    await page.goto(`${server.url}/jobs/watched?list=yes`);
    await page.getByRole('row', { name: /ready one/ }).waitFor();
    await page.locator('[data-connection="live"]').waitFor();
    // What it heard of the start of the job asks for the layout again, once.
    await page.waitForTimeout(2_500);
    const asked = [];
    page.on('request', (request) => request.url().includes('/graph/layout') && asked.push(request.url()));
    await server.post('/api/v1/queues/watched/resume');
    await page.getByRole('row', { name: /completed two/ }).waitFor();
    assert.deepEqual(asked, [], 'the picture was asked for again');
  }],
];
