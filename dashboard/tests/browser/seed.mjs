// What the screens are shown with: a bit of everything that can happen.

/** A layered graph of `count` tasks: each needs up to two of those shortly before it. */
export function layered(jobId, count, width, group) {
  const tasks = [];
  for (let index = 0; index < count; index += 1) {
    const needs = index < width ? [] : [index - width, index - width + ((index * 7) % 5) - 2].filter((parent) => parent >= 0 && parent < index);
    const task = { taskId: `n${index}`, type: 'noop', needs: [...new Set(needs)].map((parent) => `n${parent}`) };
    if (group) task.group = group(index);
    tasks.push(task);
  }
  return { jobId, tasks };
}

const shell = (script, more = {}) => ({ type: 'shell', command: ['sh', '-c', script], ...more });

/** A report of a night: two sources, a step that needs a second try, one that fails. */
export function report(jobId, fails) {
  const task = (taskId, needs, script, more) => ({ taskId, needs, ...shell(script, more) });
  const flaky = 'if [ "$MAINSPRING_ATTEMPT" -lt 2 ]; then echo "connection reset by peer" >&2; exit 75; fi; echo "loaded 1204 rows"';
  return {
    jobId,
    jobName: 'Nightly report',
    tags: ['nightly'],
    tasks: [
      task('extract-orders', [], 'for i in 1 2 3 4 5; do echo "page $i of 5"; done; sleep 0.2'),
      task('extract-customers', [], 'echo "customers: 418"; sleep 0.1'),
      task('clean', ['extract-orders', 'extract-customers'], 'echo "dropped 3 rows"; sleep 0.15'),
      task('load', ['clean'], flaky, { retries: 2, backoff: { type: 'fixed', initial: '50ms' } }),
      task('check-totals', ['clean'], 'echo "totals agree"'),
      task('render', ['load', 'check-totals'], fails ? 'echo "Traceback: no such template: monthly.html" >&2; exit 3' : 'echo "report.pdf"'),
      task('send', ['render'], 'echo "sent to 300"'),
      task('archive', ['render'], 'echo archived'),
    ],
  };
}

/** A job with an approval in the middle, a condition that does not hold, and one task for each of five files. */
export function release(jobId) {
  const output = (json) => `printf '%s' '${json}' > "$MAINSPRING_OUTPUT"`;
  return {
    jobId,
    jobName: 'Release',
    params: { region: 'eu' },
    tasks: [
      { taskId: 'build', ...shell(output('{"files": ["a", "b", "c", "d", "e"], "urgent": false}')) },
      { taskId: 'check', needs: ['build'], forEach: '${{ tasks.build.output.files }}', type: 'shell', command: ['sh', '-c', 'echo "checked $0"; [ "$0" != d ] || { echo "d is broken" >&2; exit 3; }', '${{ item }}'], retries: 0 },
      { taskId: 'page', needs: ['build'], if: 'tasks.build.output.urgent', type: 'noop' },
      { taskId: 'sign', needs: ['build'], approval: { timeout: '8h' } },
      { taskId: 'ship', needs: ['sign'], type: 'noop', payload: { to: '${{ params.region }}', by: '${{ tasks.sign.output.comment }}' } },
    ],
  };
}

export async function seed(server) {
  await server.call('PUT', '/api/v1/definitions/jobs/nightly', { jobName: 'Nightly', tasks: [{ taskId: 'extract', type: 'noop' }] });
  await server.call('PUT', '/api/v1/profiles/careful', { retries: 8, timeout: '1h' });
  await server.call('PUT', '/api/v1/definitions/jobs/nightly', { jobName: 'Nightly', tasks: [{ taskId: 'extract', type: 'noop' }, { taskId: 'load', type: 'noop', needs: ['extract'], profile: 'careful' }] });
  await server.call('PUT', '/api/v1/schedules/spring-forward', { cron: '30 1 * * *', timezone: 'Europe/Berlin', start: '2027-03-26T00:00:00Z', job: 'nightly' });
  await server.call('PUT', '/api/v1/definitions/tasks/send-mail', { type: 'noop', retries: 3 });
  await server.post('/api/v1/jobs', report('report-good', false));
  await server.post('/api/v1/jobs', report('report-bad', true));
  await server.post('/api/v1/jobs', release('release'));
  const later = Array.from({ length: 4 }, (_, index) => ({ taskId: `later-${index}`, type: 'noop', queue: 'email', delaySeconds: 3_600 + index, tags: ['digest'] }));
  const broken = Array.from({ length: 7 }, (_, index) => ({ taskId: `mail-${index}`, queue: 'email', ...shell(`echo "smtp: mailbox user${index} is unknown" >&2; exit 1`), payload: { to: `user${index}@example.org`, account: 'ACCOUNT' }, retries: 0 }));
  const missing = Array.from({ length: 3 }, (_, index) => ({ taskId: `import-${index}`, queue: 'imports', ...shell('echo "no such bucket" >&2; exit 66'), retries: 0 }));
  const many = Array.from({ length: 450 }, (_, index) => ({ taskId: `noop-${String(index).padStart(3, '0')}`, type: 'noop', tags: [index % 2 ? 'odd' : 'even'] }));
  // A number that JavaScript cannot hold goes as text.
  const text = JSON.stringify([...later, ...broken, ...missing, ...many]).replaceAll('"ACCOUNT"', '9007199254740993');
  await server.call('POST', '/api/v1/tasks', text);
  await server.post('/api/v1/tasks', { taskId: 'nobody-serves', type: 'noop', queue: 'gpu', labels: { gpu: 'yes' } });
  await server.post('/api/v1/tasks', { taskId: 'answer', ...shell('echo \'{"rows": 12, "big": 9007199254740993}\' > "$MAINSPRING_OUTPUT"; echo done'), payload: { id: 1 } });
  await server.status('/api/v1/jobs/report-good', 'completed');
  await server.status('/api/v1/jobs/report-bad', 'failed');
  await server.status('/api/v1/jobs/release/tasks/sign', 'waiting');
  await server.status('/api/v1/jobs/release/tasks/check', 'failed');
  await server.status('/api/v1/tasks/import-2', 'failed');
  await server.status('/api/v1/tasks/mail-6', 'failed');
  await server.status('/api/v1/tasks/answer', 'completed');
}
