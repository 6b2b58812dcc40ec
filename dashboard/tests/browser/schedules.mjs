// Schedules: made, changed, paused, run, made up for, deleted, with their next runs across a change of the clock.
import assert from 'node:assert/strict';
import { until } from './server.mjs';

async function submit(page, verb) {
  const dialog = page.getByRole('dialog');
  const line = await dialog.locator('[data-cli]').getAttribute('data-cli');
  await dialog.getByRole('button', { name: verb, exact: true }).click();
  await dialog.waitFor({ state: 'hidden' });
  return line;
}

const get = (server, name) => server.get(`/api/v1/schedules/${name}`);

export const schedules = [
  ['a schedule that follows jobs is made with the form, and shows no clock', async ({ server, visit }) => {
    await server.call('PUT', '/api/v1/definitions/jobs/followed', { tasks: [{ taskId: 'only', type: 'noop' }] });
    const { page } = await visit();
    await page.goto(`${server.url}/schedules`);
    await page.getByRole('button', { name: 'New schedule …' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('follower');
    await dialog.getByLabel('Due by').selectOption('after');
    await dialog.getByLabel('Definitions, with commas between them').fill('followed');
    await dialog.getByLabel('Job definition').selectOption('nightly');
    assert.equal(await dialog.getByLabel('Time zone').count(), 0);
    assert.equal(await submit(page, 'Make it'), 'mainspring schedules create follower --after followed --job nightly');
    await page.goto(`${server.url}/schedules/follower`);
    await page.getByText('It follows jobs').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Backfill …' }).count(), 0);
    assert.deepEqual((await server.get('/api/v1/schedules/follower')).spec.after, ['followed']);
  }],
  ['a schedule is made with a form, changed, and deleted', async ({ server, visit }) => {
    const { page, errors } = await visit();
    await page.goto(`${server.url}/schedules`);
    await page.getByRole('button', { name: 'New schedule …' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('hourly');
    await dialog.getByLabel('When', { exact: true }).fill('61 * * * *');
    await dialog.getByLabel('Job definition').selectOption('nightly');
    await dialog.getByRole('button', { name: 'Make it' }).click();
    await dialog.getByRole('alert').waitFor();
    // The browser itself logs the refusal.
    errors.splice(0);
    await dialog.getByLabel('When', { exact: true }).fill('5 * * * *');
    assert.equal(await submit(page, 'Make it'), "mainspring schedules create hourly --cron '5 * * * *' --timezone Europe/Berlin --job nightly");
    await page.getByRole('heading', { name: 'hourly' }).waitFor();
    assert.deepEqual((await get(server, 'hourly')).spec, { cron: '5 * * * *', timezone: 'Europe/Berlin', job: 'nightly' });
    await page.getByRole('button', { name: 'Edit …' }).click();
    await dialog.getByText('When something comes in between').click();
    await dialog.getByLabel('If earlier work still runs').selectOption('allow');
    await submit(page, 'Change it');
    await until('it has changed', async () => (await get(server, 'hourly')).spec.overlap === 'allow');
    await page.getByRole('button', { name: 'Delete' }).click();
    assert.equal(await submit(page, 'Delete'), 'mainspring schedules delete hourly');
    await page.waitForURL(/\/schedules$/);
    assert.ok(!(await server.get('/api/v1/schedules')).items.some(({ name }) => name === 'hourly'));
  }],
  ['a schedule shows its next runs across a change of the clock', async ({ server, visit }) => {
    // The last Sunday of March 2027 is the 28th; at two the clock of Berlin goes to three.
    await server.call('PUT', '/api/v1/schedules/spring', { cron: '30 1 * * *', timezone: 'Europe/Berlin', start: '2027-03-26T00:00:00Z', job: 'nightly' });
    const { page } = await visit();
    await page.goto(`${server.url}/schedules/spring`);
    const row = page.locator('tr[data-changed="60"]');
    await row.getByText('2027-03-29 01:30:00').waitFor();
    await row.getByText('the clock was put forward by 1 h').waitFor();
    await page.locator('[data-cli="mainspring schedules next spring -n 10"]').waitFor();
  }],
  ['a schedule is run now, paused and resumed, and its history leads to the job', async ({ server, visit }) => {
    await server.call('PUT', '/api/v1/schedules/rare', { cron: '0 0 1 1 *', job: 'nightly' });
    const { page } = await visit();
    await page.goto(`${server.url}/schedules/rare`);
    await page.getByRole('main').getByRole('button', { name: 'Run now' }).click();
    assert.equal(await submit(page, 'Run now'), 'mainspring schedules trigger rare');
    const occurrences = page.getByRole('region', { name: 'Occurrences of rare' });
    await occurrences.getByText('fired').waitFor();
    const [fired] = (await server.get('/api/v1/schedules/rare/occurrences')).items;
    await server.status(`/api/v1/jobs/${fired.jobId}`, 'completed');
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await until('it is paused', async () => (await get(server, 'rare')).paused);
    await page.locator('.toast [data-cli="mainspring schedules pause rare"]').waitFor();
    await page.getByRole('button', { name: 'Resume', exact: true }).click();
    await until('it goes on', async () => !(await get(server, 'rare')).paused);
    await occurrences.getByRole('link', { name: fired.jobId }).click();
    await page.waitForURL(new RegExp(`/jobs/${fired.jobId}$`));
  }],
  ['a range is made up for after it was counted', async ({ server, visit }) => {
    await server.call('PUT', '/api/v1/schedules/missed', { cron: '0 * * * *', timezone: 'UTC', job: 'nightly' });
    const { page } = await visit();
    await page.goto(`${server.url}/schedules/missed`);
    await page.getByRole('button', { name: 'Backfill …' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(/It would change 2[345]/).waitFor();
    // The fields are in the time of the browser, which is Berlin's, and the range in that of the server.
    const to = new Date(await dialog.getByLabel('To').inputValue());
    const pad = (value) => String(value).padStart(2, '0');
    const from = new Date(to.getTime() - 3 * 3_600_000);
    await dialog.getByLabel('From, in your time').fill(`${from.getFullYear()}-${pad(from.getMonth() + 1)}-${pad(from.getDate())}T${pad(from.getHours())}:${pad(from.getMinutes())}`);
    await dialog.getByText(/It would change [34]/).waitFor();
    assert.equal((await server.get('/api/v1/schedules/missed/occurrences')).items.filter(({ cause }) => cause === 'backfill').length, 0);
    assert.match(await submit(page, 'Backfill'), /^mainspring schedules backfill missed --from \S+ --to \S+$/);
    await until('all of them fired', async () => {
      const { items } = await server.get('/api/v1/schedules/missed/occurrences');
      return items.filter(({ cause, status }) => cause === 'backfill' && status === 'fired').length >= 3;
    });
  }],
];
