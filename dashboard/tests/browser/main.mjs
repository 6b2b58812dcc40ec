// The dashboard in real headless Chromium against a real server. Each test is a claim; a failed one leaves a picture in
// `artifacts`. `node tests/browser/main.mjs [WORDS]` runs those whose name contains the words, or with
// `ONE|OTHER` one of several.
import { mkdirSync } from 'node:fs';
import { actions } from './actions.mjs';
import { launch, open } from './browser.mjs';
import { clusters } from './clusters.mjs';
import { definitions } from './definitions.mjs';
import { flows } from './flows.mjs';
import { graphs } from './graphs.mjs';
import { keys } from './keys.mjs';
import { limits } from './limits.mjs';
import { live } from './live.mjs';
import { pictures } from './look.mjs';
import { scale } from './scale.mjs';
import { schedules } from './schedules.mjs';
import { screens } from './screens.mjs';
import { seed } from './seed.mjs';
import { Server } from './server.mjs';

const FOLDER = new URL('../../artifacts', import.meta.url).pathname;
const wanted = process.argv[2] ?? '';

async function run() {
  mkdirSync(FOLDER, { recursive: true });
  const server = await Server.start();
  const browser = await launch();
  let [passed, failed] = [0, 0];
  try {
    await seed(server);
    // What the pictures for people show, before the tests change it.
    if (wanted === '') await pictures(browser, server, FOLDER, ['overview', 'job', 'tasks', 'dead-letters', 'task']);
    for (const [name, test] of [...screens, ...keys, ...actions, ...definitions, ...schedules, ...limits, ...flows, ...graphs, ...scale, ...clusters, ...live]) {
      if (!wanted.split('|').some((words) => name.includes(words))) continue;
      const started = Date.now();
      const opened = [];
      const visit = async (look) => {
        opened.push(await open(browser, look?.server ?? server, look));
        return opened.at(-1);
      };
      try {
        await test({ server, visit });
        const errors = opened.flatMap(({ errors }) => errors);
        if (errors.length > 0) throw new Error(`the console has errors: ${errors.slice(0, 3).join(' | ')}`);
        passed += 1;
        console.log(`test ${name} ... ok (${Date.now() - started} ms)`);
      } catch (error) {
        failed += 1;
        const errors = opened.flatMap(({ errors }) => errors);
        console.log(`test ${name} ... FAILED (${Date.now() - started} ms)\n  ${error.stack ?? error}\n  console: ${errors.slice(0, 5).join(' | ')}`);
        await opened.at(-1)?.page.screenshot({ path: `${FOLDER}/failed-${failed}.png` }).catch(() => undefined);
      }
      for (const { close } of opened) await close();
    }
  } finally {
    await browser.close();
    await server.close();
  }
  console.log(`test result: ${failed === 0 ? 'ok' : 'FAILED'}. ${passed} passed; ${failed} failed; 0 ignored`);
  return failed;
}

process.exit((await run()) === 0 ? 0 : 1);
