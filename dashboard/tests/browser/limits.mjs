// Limits are set at run time, hold, and are taken away.
import assert from 'node:assert/strict';
import { until } from './server.mjs';

async function set(page, fields) {
  const dialog = page.getByRole('dialog');
  for (const [label, text] of Object.entries(fields)) await dialog.getByLabel(label).fill(text);
  const line = await dialog.locator('[data-cli]').getAttribute('data-cli');
  await dialog.getByRole('button', { name: 'Set', exact: true }).click();
  await dialog.waitFor({ state: 'hidden' });
  return line;
}

export const limits = [
  ['a queue is limited, shows how much of that is used, and is freed', async ({ server, visit }) => {
    await server.post('/api/v1/tasks', [1, 2, 3].map((index) => ({ taskId: `narrow-${index}`, queue: 'narrow', type: 'noop', delaySeconds: 3_600 })));
    const queue = async () => (await server.get('/api/v1/queues')).items.find(({ name }) => name === 'narrow');
    const { page } = await visit();
    await page.goto(`${server.url}/queues`);
    const row = page.getByRole('row', { name: /^narrow/ });
    await row.getByRole('button', { name: 'Limits …' }).click();
    assert.equal(await set(page, { 'Run at a time, at most': '2', 'Start, at most': '100/1m' }), 'mainspring queues set narrow --concurrency 2 --rate 100/1m');
    await row.getByText('0 of 2 run').waitFor();
    const { concurrency, rate } = await queue();
    assert.deepEqual([concurrency, rate.limit, rate.burst], [2, 100, 100]);
    await row.getByRole('button', { name: 'Limits …' }).click();
    assert.equal(await set(page, { 'Start, at most': '' }), 'mainspring queues set narrow --rate none');
    await until('the rate is gone', async () => (await queue()).rate === undefined);
    assert.equal((await queue()).concurrency, 2);
  }],
  ['a type is limited, and a tenant has its share', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/queues`);
    await page.getByRole('button', { name: 'Limit a type …' }).click();
    assert.equal(await set(page, { 'Name of the type': 'email', 'Run at a time, at most': '5' }), 'mainspring types set email --concurrency 5');
    await page.getByRole('row', { name: /^email 5/ }).waitFor();
    assert.equal((await server.get('/api/v1/types')).items.find(({ type }) => type === 'email').concurrency, 5);
    await page.getByRole('button', { name: 'Set a tenant …' }).click();
    assert.equal(await set(page, { 'Name of the tenant': 'acme', 'Tasks that are taken in its turn, 1 to 100': '3' }), 'mainspring tenants set acme --weight 3');
    await page.getByRole('row', { name: /^acme 3/ }).waitFor();
    assert.equal((await server.get('/api/v1/tenants')).items.find(({ userId }) => userId === 'acme').weight, 3);
  }],
];
