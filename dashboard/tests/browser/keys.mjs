// Keys, addresses, times: what one does without a mouse, and what a reload keeps.
import assert from 'node:assert/strict';

const path = (page) => page.evaluate(() => location.pathname + location.search);

export const keys = [
  ['g and a letter go to a screen, slash searches, question mark explains', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/`);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('j');
    await page.getByRole('heading', { name: 'Jobs' }).waitFor();
    assert.equal(await path(page), '/jobs');
    await page.keyboard.press('/');
    await page.keyboard.type('status:failed');
    await page.waitForFunction(() => location.search === '?q=status%3Afailed');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
  }],
  ['the help of keys opens at its top in a narrow window, and scrolls by keys', async ({ server, visit }) => {
    const { page } = await visit({ width: 360, height: 480 });
    await page.goto(`${server.url}/`);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.keyboard.press('?');
    const dialog = page.getByRole('dialog', { name: 'Keys' });
    await dialog.getByRole('heading', { name: 'Keys' }).waitFor();
    const at = () => dialog.evaluate((element) => element.scrollTop);
    assert.equal(await at(), 0);
    assert.ok(await dialog.evaluate((element) => element.scrollHeight > element.clientHeight), 'it is longer than the window');
    await page.keyboard.press('End');
    await page.waitForFunction(() => document.querySelector('dialog[open]').scrollTop > 0);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'hidden' });
  }],
  ['the palette leads to a job by the beginning of its id', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/queues`);
    await page.getByRole('heading', { name: 'Queues' }).waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('report-b');
    await page.getByRole('option', { name: /report-bad.*Nightly/ }).click();
    await page.getByRole('heading', { name: 'Nightly report' }).waitFor();
    assert.equal(await path(page), '/jobs/report-bad');
  }],
  ['j and Enter open a row, x selects it', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/tasks?q=queue%3Aimports`);
    await page.getByText('import-2').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('x');
    await page.getByText('1 selected').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'import-1' }).waitFor();
  }],
  ['a filter lives in the address: a reload keeps it, the way back leaves it', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/tasks`);
    await page.getByRole('combobox', { name: 'Search tasks' }).fill('queue:email status:failed');
    await page.getByText('7 tasks read').waitFor();
    await page.reload();
    await page.getByText('7 tasks read').waitFor();
    await page.getByRole('link', { name: 'mail-4' }).click();
    await page.getByRole('heading', { name: 'mail-4' }).waitFor();
    await page.goBack();
    await page.getByText('7 tasks read').waitFor();
    assert.equal(await page.getByRole('combobox', { name: 'Search tasks' }).inputValue(), 'queue:email status:failed');
  }],
  ['a query that cannot be read says where and how to mend it', async ({ server, visit }) => {
    const { page, errors } = await visit();
    await page.goto(`${server.url}/tasks?q=stauts%3Afailed`);
    await page.getByRole('alert').getByText('did you mean status?').waitFor();
    // The browser itself logs the refusal.
    errors.splice(0);
  }],
  ['completions finish a word of the query', async ({ server, visit }) => {
    const { page, errors } = await visit();
    await page.goto(`${server.url}/tasks`);
    const field = page.getByRole('combobox', { name: 'Search tasks' });
    await field.pressSequentially('stat');
    await page.getByRole('option', { name: /status:/ }).waitFor();
    await page.keyboard.press('Tab');
    await field.pressSequentially('fai');
    await page.keyboard.press('Tab');
    assert.equal(await field.inputValue(), 'status:failed');
    // The browser itself logs that a half of a term was refused, where it was asked for before the other half was typed.
    errors.splice(0, errors.length, ...errors.filter((error) => !error.includes('status of 400')));
  }],
  ['a long list holds only what is in view, and reads on to its end', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/tasks?q=tag%3Aodd,even`);
    const scroll = page.getByRole('region', { name: 'Tasks' });
    for (let round = 0; round < 12; round += 1) {
      await scroll.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      await page.waitForTimeout(100);
    }
    await page.getByText('450 tasks read').waitFor();
    await page.getByText('noop-000').waitFor();
    const rows = await page.locator('[role="row"]').count();
    assert.ok(rows < 60, `${rows} rows are in the document`);
  }],
  ['times are written as one chose, and the choice stays', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/jobs/report-bad`);
    const { createdAt } = await server.get('/api/v1/jobs/report-bad');
    const time = page.locator(`dd time[datetime="${createdAt}"]`).first();
    await time.waitFor();
    assert.match(await time.innerText(), /ago|now/);
    await page.getByRole('button', { name: 'relative' }).click();
    await page.getByRole('button', { name: 'Time zone: local' }).click();
    const utc = `${createdAt.slice(0, 10)} ${createdAt.slice(11, 19)}Z`;
    await page.reload();
    await time.waitFor();
    assert.equal(await time.innerText(), utc);
    await page.getByRole('button', { name: 'Time zone: utc' }).click();
    // The browser of this test is in Berlin.
    assert.notEqual((await time.innerText()).slice(11, 13), utc.slice(11, 13));
  }],
  ['the theme is one key, and stays', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/audit`);
    await page.getByRole('heading', { name: 'Audit' }).waitFor();
    await page.keyboard.press('t');
    await page.reload();
    await page.locator('html[data-theme="dark"]').waitFor();
  }],
];
