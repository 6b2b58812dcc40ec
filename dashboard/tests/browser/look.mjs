// Pictures of every screen, for people: light and dark, wide and narrow. `node tests/browser/look.mjs [FOLDER]`
import { mkdirSync } from 'node:fs';
import { launch, open } from './browser.mjs';
import { layered, report, seed } from './seed.mjs';
import { Server } from './server.mjs';

export const SCREENS = {
  overview: '/', jobs: '/jobs', job: '/jobs/report-bad', timeline: '/jobs/report-bad/timeline', 'job-tasks': '/jobs/report-bad/tasks', 'job-events': '/jobs/report-bad/events',
  'job-logs': '/jobs/report-bad/logs', 'graph-list': '/jobs/report-bad?list=yes', graph: '/jobs/big', folded: '/jobs/big?collapse=group', tasks: '/tasks?q=queue%3Aemail', task: '/jobs/report-bad/tasks/load', failed: '/tasks/mail-3', why: '/tasks/nobody-serves',
  'dead-letters': '/dead-letters', schedules: '/schedules', schedule: '/schedules/spring-forward', queues: '/queues', workers: '/workers', cluster: '/cluster', flow: '/jobs/release', instances: '/jobs/release/tasks/check', approval: '/jobs/release/tasks/sign', definitions: '/definitions', definition: '/definitions/jobs/nightly', profiles: '/profiles', profile: '/profiles/careful', events: '/events', audit: '/audit', nowhere: '/no/such/screen',
};

/** Pictures of screens in all looks; those that are named, or all. */
export async function pictures(browser, server, folder, names = Object.keys(SCREENS), looks = ['light', 'dark']) {
  mkdirSync(folder, { recursive: true });
  for (const theme of looks) {
    for (const [width, height] of [[1280, 800], [360, 740]]) {
      const { page, close } = await open(browser, server, { width, height, theme });
      for (const name of names) {
        await page.goto(server.url + SCREENS[name]);
        await page.locator('[data-connection="live"]').waitFor();
        await page.waitForFunction(() => !document.querySelector('.skeleton') && [...document.querySelectorAll('.stage')].every((stage) => stage.dataset.painted === 'true'));
        await page.waitForTimeout(name === 'graph' ? 1_500 : 500);
        await page.screenshot({ path: `${folder}/${name}-${theme}-${width}.png` });
      }
      await close();
    }
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const server = await Server.start();
  const browser = await launch();
  try {
    await seed(server);
    await server.post('/api/v1/jobs', layered('big', 2_000, 40, (index) => `stage ${Math.floor(index / 400)}`));
    await server.status('/api/v1/jobs/big', 'completed');
    await server.post('/api/v1/jobs/report-good/rerun', { from: 'start' });
    for (let round = 0; round < 20; round += 1) {
      await server.post('/api/v1/tasks', Array.from({ length: 8 + ((round * 5) % 14) }, (_, index) => ({ type: 'shell', command: index % 17 ? 'true' : 'false' })));
      await new Promise((next) => setTimeout(next, 1_000));
    }
    await server.post('/api/v1/jobs', { ...report('report-now', false), jobName: 'Report of now' });
    await pictures(browser, server, process.argv[2] ?? 'artifacts/look', process.argv[3]?.split(','));
  } finally {
    await browser.close();
    await server.close();
  }
}
