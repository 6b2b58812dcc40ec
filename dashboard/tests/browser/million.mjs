// A list of a million rows, by hand: `node tests/browser/million.mjs [ROWS]` fills a store of its own, then scrolls, goes to
// the far end and filters, and prints what that took. Too long for every run; `scale.mjs` claims the same of twenty thousand.
import { launch, open } from './browser.mjs';
import { watchLongTasks } from './graphs.mjs';
import { heap } from './scale.mjs';
import { Server, until } from './server.mjs';

const ROWS = Number(process.argv[2] ?? 1_000_000);
const BATCH = 10_000;
/** The longest that anything may take: a search without an index looks at every row. */
const PATIENCE_MS = 180_000;
/** One task in so many has the tag that is searched for. */
const RARE = 50_000;
const name = (index) => `row-${String(index).padStart(7, '0')}`;

async function fill(server) {
  for (let from = 0; from < ROWS; from += BATCH) {
    const task = (index) => ({ taskId: name(index), type: 'noop', queue: 'long', delaySeconds: 864_000, ...(index % RARE === 7 && { tags: ['rare'] }) });
    await server.post('/api/v1/tasks', Array.from({ length: Math.min(BATCH, ROWS - from) }, (_, index) => task(from + index)));
  }
}

/** What the page holds now. */
async function held(page) {
  const nodes = await page.evaluate(() => document.querySelectorAll('*').length);
  return { heapMb: Math.round((await heap(page)) / 100_000) / 10, elements: nodes, rows: await page.locator('[role="row"]').count() };
}

async function timed(work) {
  const start = performance.now();
  await work();
  return Math.round(performance.now() - start);
}

async function scrolled(page) {
  const scroll = page.getByRole('region', { name: 'Tasks' });
  const box = await scroll.boundingBox();
  await page.mouse.move(box.x + 200, box.y + 200);
  await page.evaluate(() => (globalThis.longTasks = []));
  for (let step = 0; step < 300; step += 1) await page.mouse.wheel(0, 1_200);
  await page.waitForTimeout(500);
  return page.evaluate(() => globalThis.longTasks);
}

async function run(server, browser, figures) {
  figures.fillMs = await timed(() => fill(server));
  const { page, errors } = await open(browser, server);
  page.setDefaultTimeout(PATIENCE_MS);
  await page.addInitScript(watchLongTasks);
  const list = (q) => page.goto(`${server.url}/tasks?q=${encodeURIComponent(q)}`);
  figures.firstRowsMs = await timed(async () => {
    await list('queue:long');
    await page.getByText(name(ROWS - 1), { exact: true }).waitFor();
  });
  figures.atFirst = await held(page);
  figures.longTasksMs = await scrolled(page);
  figures.afterScrolling = { ...(await held(page)), shown: await page.locator('.table .row .mono').first().textContent() };
  // The far end: what is about as old as the first batches.
  const { createdAt } = await server.get(`/api/v1/tasks/${name(BATCH)}`);
  const age = Math.floor((Date.now() - Date.parse(createdAt)) / 1_000);
  figures.farEndMs = await timed(async () => {
    await list(`queue:long created:>${age}s`);
    const first = page.locator('.table .row .mono').first();
    await until('old rows are there', async () => Number((await first.textContent())?.slice('row-'.length)) < ROWS / 3, PATIENCE_MS);
  });
  figures.byIdMs = await timed(async () => {
    await list(`id:${name(123)}`);
    await page.getByText(name(123), { exact: true }).waitFor();
  });
  // The newest of them: the list shows what it has found while it looks on.
  figures.rareMs = await timed(async () => {
    await list('tag:rare');
    await page.getByText(name(Math.floor((ROWS - 8) / RARE) * RARE + 7), { exact: true }).waitFor();
  });
  figures.rareFound = await page.locator('.table .row:has(.mono)').count();
  figures.atLast = await held(page);
  figures.errors = errors;
}

const server = await Server.start();
const browser = await launch();
const figures = { rows: ROWS };
try {
  await run(server, browser, figures);
} finally {
  console.log(JSON.stringify(figures, null, 2));
  await browser.close();
  await server.close();
}
