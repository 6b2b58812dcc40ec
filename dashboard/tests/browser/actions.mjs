// Each action of the dashboard is seen to take effect in the API, and shows the command that does the same.
import assert from 'node:assert/strict';
import { until } from './server.mjs';

const shell = (script, more = {}) => ({ type: 'shell', command: ['sh', '-c', script], ...more });
const queue = async (server, name) => (await server.get('/api/v1/queues')).items.find((found) => found.name === name);
/** Presses a button of the screen, then the same one of its dialog. */
async function ask(page, button, verb = button) {
  await page.getByRole('main').getByRole('button', { name: button, exact: true }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  const line = await dialog.locator('[data-cli]').getAttribute('data-cli');
  await dialog.getByRole('button', { name: verb, exact: true }).click();
  await dialog.waitFor({ state: 'hidden' });
  return line;
}

export const actions = [
  ['a queue is paused, the pause undone, and paused and resumed again', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/queues`);
    const row = page.getByRole('row', { name: /^email/ });
    await row.getByRole('button', { name: 'Pause' }).click();
    await until('the queue is paused', async () => (await queue(server, 'email')).paused);
    await page.locator('.toast [data-cli="mainspring queues pause email"]').waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await until('the pause is undone', async () => !(await queue(server, 'email')).paused);
    await row.getByRole('button', { name: 'Pause' }).click();
    await row.getByRole('button', { name: 'Resume' }).click();
    await until('the queue is open', async () => !(await queue(server, 'email')).paused);
  }],
  ['a worker is paused, resumed and drained', async ({ server, visit }) => {
    const session = { workerId: 'by-hand', sessionId: 's1', seq: 1, ack: 0, queues: ['nowhere'], types: ['noop'], capacity: 1, waitMs: 0, outcomes: [], logs: [], running: [], progress: [] };
    await server.post('/api/v1/workers/exchange', session);
    const directive = async () => (await server.get('/api/v1/workers')).items.find((worker) => worker.workerId === 'by-hand')?.directive;
    const { page } = await visit();
    await page.goto(`${server.url}/workers`);
    const row = page.getByRole('row', { name: /by-hand/ });
    await row.getByRole('button', { name: 'Pause' }).click();
    await until('it is paused', async () => (await directive()) === 'pause');
    await row.getByRole('button', { name: 'Resume' }).click();
    await until('it runs', async () => (await directive()) === 'run');
    await row.getByRole('button', { name: 'Drain' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click();
    await until('it drains', async () => (await directive()) === 'drain');
    await page.locator('.toast [data-cli="mainspring workers drain by-hand"]').waitFor();
  }],
  ['a job is paused, resumed and cancelled, then rerun as a whole', async ({ server, visit }) => {
    const tasks = [{ taskId: 'long', ...shell('sleep 60') }, { taskId: 'after', type: 'noop', needs: ['long'] }];
    await server.post('/api/v1/jobs', { jobId: 'steered', tasks });
    const { page } = await visit();
    await page.goto(`${server.url}/jobs/steered`);
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await until('it is paused', async () => (await server.get('/api/v1/jobs/steered')).paused);
    await page.getByRole('button', { name: 'Resume', exact: true }).click();
    await until('it goes on', async () => !(await server.get('/api/v1/jobs/steered')).paused);
    assert.equal(await ask(page, 'Cancel job'), 'mainspring jobs cancel steered --yes');
    await server.status('/api/v1/jobs/steered', 'cancelled');
    await page.getByRole('button', { name: 'Rerun all' }).waitFor();
    assert.equal(await ask(page, 'Rerun all'), 'mainspring jobs rerun steered --from start --yes');
    await until('it runs again', async () => (await server.get('/api/v1/jobs/steered')).generation === 2);
    await server.post('/api/v1/jobs/steered/cancel');
  }],
  ['a job runs again from what failed', async ({ server, visit }) => {
    const tasks = [{ taskId: 'good', type: 'noop' }, { taskId: 'bad', needs: ['good'], ...shell('exit 1'), retries: 0 }];
    await server.post('/api/v1/jobs', { jobId: 'mended', tasks });
    await server.status('/api/v1/jobs/mended', 'failed');
    const { page } = await visit();
    await page.goto(`${server.url}/jobs/mended`);
    assert.equal(await ask(page, 'Rerun from failed'), 'mainspring jobs rerun mended --from failed --yes');
    await until('what failed ran again', async () => (await server.get('/api/v1/jobs/mended/tasks/bad')).generation === 2);
    assert.equal((await server.get('/api/v1/jobs/mended/tasks/good')).attempt, 1);
  }],
  ['a task is run now, cancelled, and run again', async ({ server, visit }) => {
    await server.post('/api/v1/tasks', { taskId: 'due-later', type: 'noop', delaySeconds: 3_600 });
    const { page } = await visit();
    await page.goto(`${server.url}/tasks/due-later`);
    assert.equal(await ask(page, 'Run now'), 'mainspring tasks retry due-later --yes');
    await server.status('/api/v1/tasks/due-later', 'completed');
    await server.post('/api/v1/tasks', { taskId: 'unwanted', type: 'noop', delaySeconds: 3_600 });
    await page.goto(`${server.url}/tasks/unwanted`);
    assert.equal(await ask(page, 'Cancel task'), 'mainspring tasks cancel unwanted --yes');
    await server.status('/api/v1/tasks/unwanted', 'cancelled');
    await ask(page, 'Run again');
    await server.status('/api/v1/tasks/unwanted', 'completed');
  }],
  ['a task of a job runs again with all that depends on it', async ({ server, visit }) => {
    await server.post('/api/v1/jobs', { jobId: 'partial', tasks: [{ taskId: 'a', type: 'noop' }, { taskId: 'b', type: 'noop', needs: ['a'] }] });
    await server.status('/api/v1/jobs/partial', 'completed');
    const { page } = await visit();
    await page.goto(`${server.url}/jobs/partial/tasks/b`);
    assert.equal(await ask(page, 'Rerun from here'), 'mainspring jobs rerun partial --from b --yes');
    await until('it ran again', async () => (await server.get('/api/v1/jobs/partial/tasks/b')).generation === 2);
  }],
  ['everything that matches is counted first, then cancelled', async ({ server, visit }) => {
    const tasks = Array.from({ length: 30 }, (_, index) => ({ taskId: `bulk-${index}`, type: 'noop', tags: ['bulk'], delaySeconds: 3_600 }));
    await server.post('/api/v1/tasks', tasks);
    const { page } = await visit();
    await page.goto(`${server.url}/tasks?q=tag%3Abulk`);
    await page.getByRole('button', { name: 'Cancel all' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('It would change 30').waitFor();
    assert.equal((await server.get('/api/v1/tasks/bulk-7')).status, 'scheduled');
    assert.equal(await dialog.locator('[data-cli]').getAttribute('data-cli'), 'mainspring tasks cancel -q tag:bulk --yes');
    await dialog.getByRole('button', { name: 'Cancel all' }).click();
    await page.getByText('30 tasks cancelled').waitFor();
    assert.equal((await server.get('/api/v1/tasks/bulk-7')).status, 'cancelled');
  }],
  ['selected tasks are deleted, and only they', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/tasks?q=tag%3Abulk`);
    await page.getByLabel('Select bulk-28', { exact: true }).check();
    await page.getByLabel('Select bulk-27', { exact: true }).check();
    assert.equal(await ask(page, 'Delete'), 'mainspring tasks delete bulk-28 bulk-27 --yes');
    await page.getByText('2 of 2 tasks deleted').waitFor();
    await page.getByText('28 tasks read').waitFor();
    assert.equal((await server.get('/api/v1/tasks?q=tag:bulk')).items.length, 28);
  }],
  ['jobs are cancelled by a query', async ({ server, visit }) => {
    await server.post('/api/v1/jobs', { jobId: 'doomed', tags: ['doomed'], tasks: [{ taskId: 'a', type: 'noop', queue: 'gpu', labels: { gpu: 'yes' } }] });
    const { page } = await visit();
    await page.goto(`${server.url}/jobs?q=tag%3Adoomed`);
    await page.getByText('1 jobs read').waitFor();
    assert.equal(await ask(page, 'Cancel all'), 'mainspring jobs cancel -q tag:doomed --yes');
    await server.status('/api/v1/jobs/doomed', 'cancelled');
  }],
  ['a dead letter is mended without losing a digit, and redriven', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/dead-letters`);
    await page.getByRole('button', { name: 'Show all 7' }).click();
    await page.getByRole('button', { name: 'Edit payload of mail-0' }).click();
    const field = page.getByRole('dialog').getByLabel('JSON');
    await page.waitForFunction(() => document.querySelector('dialog textarea')?.value.includes('9007199254740993'));
    await field.fill((await field.inputValue()).replace('user0', 'mended'));
    await page.getByRole('button', { name: 'Save and redrive' }).click();
    await page.getByText('mail-0 was mended and runs again').waitFor();
    const text = await (await fetch(`${server.url}/api/v1/tasks/mail-0`)).text();
    assert.match(text, /"payload":\s*\{\s*"to":\s*"mended@example.org",\s*"account":\s*9007199254740993\s*\}/);
    await until('it ran again', async () => (await server.get('/api/v1/tasks/mail-0')).generation === 2);
  }],
  ['a group of dead letters is counted, redriven with spacing, another discarded', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/dead-letters`);
    const imports = page.locator('[data-group]', { hasText: 'import-0' });
    await imports.getByRole('button', { name: 'Redrive' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('It would change 3').waitFor();
    await dialog.getByLabel('Time between two starts').fill('10ms');
    await dialog.getByRole('button', { name: 'Redrive' }).click();
    await page.getByText('3 dead letters redriven').waitFor();
    await until('they ran again', async () => (await server.get('/api/v1/tasks/import-1')).generation === 2);
    const mails = page.locator('[data-group]', { hasText: 'mail-6' });
    await mails.getByRole('button', { name: 'Discard' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
    await until('they left the list', async () => (await server.get('/api/v1/dead-letters?q=id:mail-6')).items.length === 0);
    assert.equal((await server.get('/api/v1/tasks/mail-6')).status, 'failed');
  }],
  ['what was ordered stands in the audit', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/audit`);
    const { items } = await server.get('/api/v1/audit');
    const [newest] = items;
    await page.getByText(newest.target).first().waitFor();
    const kinds = new Set(items.map((record) => record.action.split('.')[0]));
    for (const kind of ['queue', 'worker', 'job', 'task', 'dead_letter']) assert.ok(kinds.has(kind), `${[...kinds]} lacks ${kind}`);
  }],
];
