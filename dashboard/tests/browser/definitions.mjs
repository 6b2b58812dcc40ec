// Definitions and profiles: versions and what differs, a form from the parameters, and each change seen in the API.
import assert from 'node:assert/strict';

/** Submits the open dialog; gives the command that it showed. */
async function submit(page, verb) {
  const dialog = page.getByRole('dialog');
  const line = await dialog.locator('[data-cli]').getAttribute('data-cli');
  await dialog.getByRole('button', { name: verb, exact: true }).click();
  await dialog.waitFor({ state: 'hidden' });
  return line;
}

export const definitions = [
  ['versions of a definition are compared side by side, any two of them, and one is applied again', async ({ server, visit }) => {
    const put = (tasks) => server.call('PUT', '/api/v1/definitions/jobs/compared', { tasks });
    await put([{ taskId: 'extract', type: 'noop' }]);
    await put([{ taskId: 'extract', type: 'noop', retries: 2 }]);
    await put([{ taskId: 'extract', type: 'noop', retries: 7 }]);
    const { page } = await visit();
    await page.goto(`${server.url}/definitions/jobs/compared`);
    const sides = page.getByRole('region', { name: 'Before and after' });
    await sides.locator('div', { has: page.locator('.del', { hasText: '"retries": 2' }) }).locator('.add', { hasText: '"retries": 7' }).waitFor();
    await page.getByLabel('since version').selectOption('1');
    await sides.locator('.del', { hasText: '"retries": 2' }).waitFor({ state: 'detached' });
    await page.locator('[data-cli="mainspring definitions diff compared --from 1 --to 3"]').waitFor();
    await page.getByRole('button', { name: 'In one column' }).click();
    await page.locator('pre.diff .add', { hasText: '"retries": 7' }).waitFor();
    await page.getByRole('button', { name: /Version 2/ }).click();
    await page.getByRole('button', { name: 'Roll back to it' }).click();
    assert.equal(await submit(page, 'Roll back to it'), 'mainspring definitions rollback compared --to 2');
    const { version, body } = await server.get('/api/v1/definitions/jobs/compared');
    assert.deepEqual([version, body.tasks[0].retries], [4, 2]);
  }],
  ['a job is run with a form made from its parameters', async ({ server, visit }) => {
    const params = { region: 'eu', limit: { type: 'integer', default: 100, description: 'rows at most' }, day: { type: 'string', required: true }, mode: { enum: ['full', 'delta'], default: 'full' }, tags: { type: 'list', default: ['a'] } };
    await server.call('PUT', '/api/v1/definitions/jobs/asked', { params, tasks: [{ taskId: 'say', type: 'noop', payload: { region: '${{ params.region }}' } }] });
    const { page } = await visit();
    await page.goto(`${server.url}/definitions/jobs/asked`);
    await page.getByRole('button', { name: 'Run …' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(/^limit/).fill('many');
    await dialog.getByText('limit must be a whole number').waitFor();
    await dialog.getByLabel(/^limit/).fill('7');
    await dialog.getByLabel(/^day/).fill("the 1st of May's");
    await dialog.getByLabel(/^mode/).selectOption('delta');
    assert.equal(await submit(page, 'Run it'), String.raw`mainspring definitions run asked --param limit=7 --param 'day=the 1st of May'\''s' --param mode=delta`);
    await page.waitForURL(/:\d+\/jobs\//);
    const id = decodeURIComponent(new URL(page.url()).pathname.split('/')[2]);
    const job = await server.status(`/api/v1/jobs/${id}`, 'completed');
    assert.deepEqual(job.params, { region: 'eu', limit: 7, day: "the 1st of May's", mode: 'delta', tags: ['a'] });
    await page.locator('.facts').getByRole('link', { name: 'asked' }).click();
    await page.waitForURL(/definitions\/jobs\/asked\?version=1/);
  }],
  ['a definition is edited, unless somebody else was faster', async ({ server, visit }) => {
    await server.call('PUT', '/api/v1/definitions/tasks/edited', { type: 'noop' });
    const { page, errors } = await visit();
    await page.goto(`${server.url}/definitions/tasks/edited`);
    await page.getByRole('button', { name: 'Edit …' }).click();
    await page.getByLabel('JSON').fill('{"type": "noop", "retries": 4}');
    await server.call('PUT', '/api/v1/definitions/tasks/edited', { type: 'noop', retries: 9 });
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByRole('dialog').getByRole('alert').waitFor();
    assert.equal((await server.get('/api/v1/definitions/tasks/edited')).body.retries, 9);
    await page.getByRole('button', { name: 'Leave it' }).click();
    await page.reload();
    await page.getByRole('button', { name: 'Edit …' }).click();
    await page.getByLabel('JSON').fill('{"type": "noop", "retries": 5}');
    assert.equal(await submit(page, 'Apply'), `echo '{"taskId":"edited","type":"noop","retries":5}' | mainspring apply -`);
    assert.equal((await server.get('/api/v1/definitions/tasks/edited')).body.retries, 5);
    await page.getByRole('button', { name: 'Delete' }).click();
    assert.equal(await submit(page, 'Delete'), 'mainspring definitions delete tasks/edited');
    await page.getByText('It was deleted').waitFor();
    // The browser itself logs the refusal.
    errors.splice(0);
  }],
  ['a profile is made, its users are named, and a change makes a version', async ({ server, visit }) => {
    const { page, errors } = await visit();
    await page.goto(`${server.url}/profiles`);
    await page.getByRole('button', { name: 'New profile …' }).click();
    await page.getByLabel('Name').fill('patient');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Retries after a failure').fill('8');
    await dialog.getByLabel('An attempt may take').fill('soon');
    await dialog.getByLabel('First wait').fill('5s');
    await dialog.getByLabel('Labels a worker must carry').fill('gpu=yes, zone=eu');
    // What the server says stands at the field that it is about.
    await dialog.getByRole('button', { name: 'Apply', exact: true }).click();
    await dialog.locator('[aria-invalid="true"]').waitFor();
    assert.equal(await dialog.locator('label', { has: page.locator('[aria-invalid="true"]') }).locator('span').textContent(), 'An attempt may take');
    errors.splice(0);
    await dialog.getByLabel('An attempt may take').fill('1h');
    assert.equal(await submit(page, 'Apply'), `mainspring profiles set patient retries=8 timeout=1h 'backoff={"initial":"5s"}' 'labels={"gpu":"yes","zone":"eu"}'`);
    assert.deepEqual((await server.get('/api/v1/profiles/patient')).body, { retries: 8, timeout: '1h', backoff: { initial: '5s' }, labels: { gpu: 'yes', zone: 'eu' } });
    await server.call('PUT', '/api/v1/definitions/jobs/waits', { tasks: [{ taskId: 'slow', type: 'noop', profile: 'patient' }, { taskId: 'quick', type: 'noop' }] });
    await page.reload();
    await page.getByRole('row', { name: /patient.*retries.*1 definition/ }).getByRole('link', { name: 'patient' }).click();
    await page.getByText('its task slow').waitFor();
    await page.getByRole('button', { name: 'Edit …' }).click();
    await dialog.getByLabel('Labels a worker must carry').fill('');
    await dialog.getByRole('button', { name: 'JSON' }).click();
    assert.deepEqual(JSON.parse(await dialog.getByLabel('JSON').inputValue()), { retries: 8, timeout: '1h', backoff: { initial: '5s' } });
    await dialog.getByLabel('JSON').fill('{"retries": 9, "x-team": "a"}');
    await dialog.getByRole('button', { name: 'Fields' }).click();
    assert.equal(await dialog.getByLabel('Retries after a failure').inputValue(), '9');
    await submit(page, 'Apply');
    await page.getByRole('button', { name: /Version 2/ }).waitFor();
    const { version, body } = await server.get('/api/v1/profiles/patient');
    assert.deepEqual([version, body], [2, { retries: 9, 'x-team': 'a' }]);
  }],
];
