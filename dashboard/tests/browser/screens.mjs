// Every screen, in both themes and at both ends of the widths: what it shows, what axe says, what it weighs.
import assert from 'node:assert/strict';
import { axe } from './browser.mjs';

/** Addresses, and a text that shows that the screen has its content. */
const SCREENS = [
  ['/', 'Latest dead letters'],
  ['/jobs', 'report-bad'],
  ['/jobs/report-bad', '8 tasks, 8 edges'],
  ['/jobs/report-bad/timeline', 'exit code 3: Traceback: no such template'],
  ['/jobs/report-bad?list=yes', 'extract-customers'],
  ['/jobs/report-bad/timeline', 'extract-orders'],
  ['/jobs/report-bad/tasks', 'check-totals'],
  ['/jobs/report-bad/events', 'job failed'],
  ['/jobs/report-bad/logs', 'no such template'],
  ['/jobs/release', 'waits for an approval'],
  ['/jobs/release/tasks/check', '5 of 5 ended, 1 failed'],
  ['/jobs/release/tasks/sign', 'it waits for an approval'],
  ['/tasks', 'answer'],
  ['/tasks/mail-3', 'mailbox user3 is unknown'],
  ['/tasks/nobody-serves', 'no connected worker serves queue'],
  ['/jobs/report-bad/tasks/load', 'loaded 1204 rows'],
  ['/dead-letters', 'Edit payload'],
  ['/schedules', 'spring-forward'],
  ['/schedules/spring-forward', 'the clock was put forward by 1 h'],
  ['/queues', 'imports'],
  ['/workers', 'embedded'],
  ['/cluster', 'All is well'],
  ['/definitions', 'send-mail'],
  ['/definitions/jobs/nightly', 'What version 2 changed'],
  ['/profiles', 'careful'],
  ['/profiles/careful', 'its task load'],
  ['/events', 'task complete'],
  ['/audit', 'definition apply'],
  ['/no/such/screen', 'There is no such screen'],
];

async function shows(page, server, [path, text]) {
  await page.goto(server.url + path);
  await page.getByText(text).first().waitFor();
  await page.locator('[data-connection="live"]').waitFor();
  await page.waitForFunction(() => !document.querySelector('.skeleton'));
}

/** What reaches beyond the window and cannot be scrolled to; a screen scrolls down, only lists, code and graphs also sideways. Titles
 * of a table whose rows are blocks are there for the ear alone. */
function beyond() {
  const main = document.querySelector('main');
  const sideways = Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth, main.scrollWidth - main.clientWidth);
  const far = [...main.querySelectorAll('*')].filter((each) => each.getBoundingClientRect().right > innerWidth + 1 && !each.closest('.scroll, .filters, .tabs, .code, .lines, .stage, .line-of-code, thead'));
  return sideways > 0 || far.length > 0 ? `reaches ${sideways} px beyond the window: ${far.slice(0, 3).map((each) => each.className || each.tagName).join(', ')}` : '';
}

/** Dialogs: where they are opened, and by which button. */
const DIALOGS = [
  ['/', 'Go to …'],
  ['/profiles', 'New profile …'],
  ['/schedules', 'New schedule …'],
  ['/schedules/spring-forward', 'Backfill …'],
  ['/definitions/jobs/nightly', 'Run …'],
  ['/definitions/jobs/nightly', 'Edit …'],
  ['/queues', 'Limits …'],
  ['/tasks', 'Cancel all'],
  ['/dead-letters', 'Edit payload'],
  ['/jobs/release/tasks/sign', 'Approve'],
];

const checkDialogs = (look) => async ({ server, visit }) => {
  const { page } = await visit(look);
  const complaints = [];
  for (const [path, button] of DIALOGS) {
    await page.goto(server.url + path);
    await page.getByRole('button', { name: button }).first().click();
    await page.getByRole('dialog').waitFor();
    complaints.push(...(await axe(page)).map((found) => `${path} ${button} ${found}`));
    const wide = await page.getByRole('dialog').evaluate((dialog) => Math.max(dialog.scrollWidth - dialog.clientWidth, dialog.getBoundingClientRect().right - innerWidth));
    if (wide > 0) complaints.push(`${path} ${button} is ${wide} px too wide`);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
  }
  assert.deepEqual(complaints, []);
};

const check = (look, narrow) => async ({ server, visit }) => {
  const { page, errors } = await visit(look);
  const complaints = [];
  for (const screen of SCREENS) {
    await shows(page, server, screen);
    complaints.push(...(await axe(page)).map((found) => `${screen[0]} ${found}`));
    const far = narrow ? await page.evaluate(beyond) : '';
    if (far) complaints.push(`${screen[0]} ${far}`);
    if (errors.length > 0) complaints.push(`${screen[0]} ${errors.splice(0)}`);
  }
  assert.deepEqual(complaints, []);
};

export const screens = [
  ['every screen shows its content and axe finds nothing serious, light and wide', check({ theme: 'light' }, false)],
  ['every screen shows its content and axe finds nothing serious, dark and narrow', check({ theme: 'dark', width: 360, height: 740 }, true)],
  ['every dialog is good for axe, fits and closes by a key, light and narrow', checkDialogs({ theme: 'light', width: 360, height: 740 })],
  ['every dialog is good for axe, fits and closes by a key, dark and wide', checkDialogs({ theme: 'dark' })],
  ['the first screen stays within its weight, and asks little', async ({ server, visit }) => {
    const { page } = await visit();
    const sizes = { script: 0, all: 0, calls: 0 };
    page.on('response', async (response) => {
      const size = Number(response.headers()['content-length'] ?? 0);
      const isApi = new URL(response.url()).pathname.startsWith('/api');
      if (isApi) sizes.calls += 1;
      else sizes.all += size;
      if (/javascript/.test(response.headers()['content-type'] ?? '')) sizes.script += size;
    });
    await page.goto(`${server.url}/`);
    await page.getByText('Latest dead letters').waitFor();
    await page.locator('[data-connection="live"]').waitFor();
    assert.ok(sizes.script > 20_000 && sizes.script <= 150_000, `${sizes.script} bytes of script`);
    assert.ok(sizes.all <= 300_000, `${sizes.all} bytes in all`);
    assert.ok(sizes.calls <= 8, `${sizes.calls} calls of the API`);
  }],
  ['nothing moves once it is shown', async ({ server, visit }) => {
    const { page } = await visit();
    await page.addInitScript(() => {
      globalThis.shifts = 0;
      new PerformanceObserver((list) => list.getEntries().forEach((entry) => (globalThis.shifts += entry.hadRecentInput ? 0 : entry.value))).observe({ type: 'layout-shift', buffered: true });
    });
    for (const path of ['/jobs', '/tasks', '/queues', '/jobs/report-bad']) {
      await page.goto(server.url + path);
      await page.locator('[data-connection="live"]').waitFor();
      await page.waitForFunction(() => !document.querySelector('.skeleton'));
      const shifts = await page.evaluate(() => globalThis.shifts);
      assert.ok(shifts < 0.1, `${path} shifts by ${shifts}`);
    }
  }],
  ['numbers beyond 2^53 are shown as they were written', async ({ server, visit }) => {
    const { page } = await visit();
    await page.goto(`${server.url}/tasks/mail-0`);
    await page.getByText('"account": 9007199254740993').waitFor();
    await page.goto(`${server.url}/tasks/answer`);
    await page.getByText('"big": 9007199254740993').waitFor();
  }],
];
