// Long lists: what is in the page stays little, scrolling does not hold it up, and the far end is a choice away.
import assert from 'node:assert/strict';
import { watchLongTasks } from './graphs.mjs';

const ROWS = 20_000;
/** Bytes that the page's own objects may take after thousands of rows went by. */
const HEAP_MAX = 25_000_000;

export async function heap(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  return (await session.send('Runtime.getHeapUsage')).usedSize;
}

/** Turns the wheel down and up; how long the tasks of the page's thread took that were too long, in ms. */
async function turn(page) {
  await page.evaluate(() => (globalThis.longTasks = []));
  for (let step = 0; step < 40; step += 1) await page.mouse.wheel(0, step < 20 ? 500 : -500);
  await page.waitForTimeout(300);
  return page.evaluate(() => globalThis.longTasks);
}

export const scale = [
  ['a list of twenty thousand is scrolled without a halt, in a page that stays small', async ({ server, visit }) => {
    for (let from = 0; from < ROWS; from += 10_000) {
      await server.post('/api/v1/tasks', Array.from({ length: 10_000 }, (_, index) => ({ taskId: `long-${from + index}`, type: 'noop', queue: 'long', delaySeconds: 864_000 })));
    }
    const { page } = await visit();
    await page.addInitScript(watchLongTasks);
    await page.goto(`${server.url}/tasks?q=queue%3Along`);
    await page.getByText(`long-${ROWS - 1}`).waitFor();
    const scroll = page.getByRole('region', { name: 'Tasks' });
    const before = await heap(page);
    const read = await scroll.evaluate(async (element) => {
      while (element.scrollHeight < 6_000 * 36) {
        element.scrollTo(0, element.scrollHeight);
        await new Promise((next) => setTimeout(next, 16));
      }
      return Math.round(element.scrollHeight / 36);
    });
    assert.ok(read >= 6_000, `${read} rows were read`);
    const after = await heap(page);
    assert.ok(after < HEAP_MAX && after < before + 8_000_000, `the heap grew from ${before} to ${after} bytes`);
    const rows = await page.locator('[role="row"]').count();
    assert.ok(rows < 60, `${rows} rows are in the document`);
    const box = await scroll.boundingBox();
    await page.mouse.move(box.x + 200, box.y + 200);
    // A neighbour of the machine can hold the page's thread for a moment, the page itself holds it each time.
    let long;
    for (let round = 0; round < 3 && long?.length !== 0; round += 1) long = await turn(page);
    assert.deepEqual(long, [], `tasks of the main thread took ${long} ms`);
    // What was forgotten far away comes back where it stood.
    await scroll.evaluate((element) => element.scrollTo(0, 0));
    await page.getByText(`long-${ROWS - 1}`).waitFor();
    await scroll.evaluate((element) => element.scrollTo(0, 3_000 * 36));
    await page.getByText(`long-${ROWS - 1 - 3_000}`, { exact: true }).waitFor();
  }],
  ['the far end of a list is reached by its age', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/tasks?q=queue%3Along`);
    await page.getByText(`long-${ROWS - 1}`).waitFor();
    await page.getByLabel('submitted').selectOption('before the last hour');
    await page.waitForURL(/q=queue%3Along(%20|\+)created%3A%3E1h/);
    await page.getByRole('heading', { name: 'No task matches' }).waitFor();
    await page.getByLabel('submitted').selectOption('in the last hour');
    await page.getByText(`long-${ROWS - 1}`).waitFor();
    await page.locator('[data-cli="mainspring tasks list -q \'queue:long created:<1h\'"]').waitFor();
  }],
];
