// What happens between the tasks of a job: an approval is answered, a condition passes a task over, a list becomes instances.
import assert from 'node:assert/strict';
import { release } from './seed.mjs';

const shell = (script, more = {}) => ({ type: 'shell', command: ['sh', '-c', script], ...more });

async function decide(page, verb, comment) {
  await page.getByRole('main').getByRole('button', { name: verb, exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/Comment/).fill(comment);
  const line = await dialog.locator('[data-cli]').getAttribute('data-cli');
  await dialog.getByRole('button', { name: verb, exact: true }).click();
  await dialog.waitFor({ state: 'hidden' });
  return line;
}

export const flows = [
  ['an approval is answered where the job is shown, and what waited goes on with the answer', async ({ server, visit }) => {
    await server.post('/api/v1/jobs', release('release-1'));
    await server.status('/api/v1/jobs/release-1/tasks/sign', 'waiting');
    const { page } = await visit();
    await page.goto(`${server.url}/jobs/release-1?list=yes`);
    await page.getByText('sign waits for an approval').waitFor();
    assert.equal(await decide(page, 'Approve', 'looks good'), "mainspring tasks approve release-1/sign --comment 'looks good'");
    await server.status('/api/v1/jobs/release-1/tasks/sign', 'completed');
    await server.status('/api/v1/jobs/release-1/tasks/ship', 'completed');
    await page.getByText('sign waits for an approval').waitFor({ state: 'detached' });
    await page.goto(`${server.url}/jobs/release-1/tasks/sign`);
    await page.getByText('"comment": "looks good"').waitFor();
    await page.goto(`${server.url}/jobs/release-1/tasks/page`);
    await page.getByText('its condition (if) did not hold').waitFor();
  }],
  ['the overview points out an approval, and it is answered there', async ({ server, visit }) => {
    await server.post('/api/v1/jobs', release('release-4'));
    await server.status('/api/v1/jobs/release-4/tasks/sign', 'waiting');
    const { page } = await visit();
    await page.goto(`${server.url}/`);
    const asked = page.getByRole('region', { name: 'Waits for somebody', exact: true });
    const row = asked.getByRole('row', { name: /release-4\/sign an approval in 7 h/ });
    await row.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Approve' }).click();
    await server.status('/api/v1/jobs/release-4/tasks/sign', 'completed');
    await row.waitFor({ state: 'detached' });
    // One that comes while somebody looks appears by itself.
    await server.post('/api/v1/jobs', release('release-5'));
    await asked.getByRole('link', { name: 'release-5/sign' }).waitFor();
  }],
  ['a task of a list counts its instances, and leads to the one that failed', async ({ server, visit }) => {
    await server.post('/api/v1/jobs', release('release-3'));
    await server.status('/api/v1/jobs/release-3/tasks/check', 'failed');
    const { page } = await visit();
    await page.goto(`${server.url}/jobs/release-3/tasks/check`);
    await page.getByText('5 of 5 ended, 1 failed').waitFor();
    const instances = page.getByRole('region', { name: 'Instances of check' });
    await instances.getByRole('link', { name: 'check~4' }).waitFor();
    await page.getByRole('group', { name: 'States of instances' }).getByRole('button', { name: 'failed' }).click();
    await instances.getByRole('link', { name: 'check~4' }).waitFor({ state: 'detached' });
    await instances.getByRole('link', { name: 'check~3' }).click();
    await page.getByText('d is broken', { exact: true }).waitFor();
    await page.locator('.facts').getByRole('link', { name: 'check', exact: true }).click();
    await page.getByText('5 of 5 ended, 1 failed').waitFor();
  }],
  ['an approval is refused where the task is shown, and the task fails', async ({ server, visit }) => {
    await server.post('/api/v1/jobs', release('release-2'));
    await server.status('/api/v1/jobs/release-2/tasks/sign', 'waiting');
    const { page } = await visit();
    await page.goto(`${server.url}/jobs/release-2/tasks/sign`);
    assert.equal(await decide(page, 'Refuse', 'not on a Friday'), "mainspring tasks refuse release-2/sign --comment 'not on a Friday'");
    const { error } = await server.status('/api/v1/jobs/release-2/tasks/sign', 'failed');
    assert.match(JSON.stringify(error), /approval_refused/);
    await page.getByText('approval_refused').first().waitFor();
  }],
  ['a newcomer finds the error of what failed in two clicks, and has it run again in three', async ({ server, visit }) => {
    await server.post('/api/v1/tasks', { taskId: 'triage', ...shell('[ -e mended ] || { echo "the disk is full" >&2; exit 1; }'), workingDir: server.folder, retries: 0 });
    await server.status('/api/v1/tasks/triage', 'failed');
    const { page } = await visit();
    await page.goto(`${server.url}/`);
    await page.getByRole('link', { name: 'triage' }).click();
    await page.getByText('the disk is full', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Run again' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Run again' }).click();
    await page.getByText('Task triage is ready').waitFor();
    assert.equal((await server.get('/api/v1/tasks/triage')).generation, 2);
  }],
];
