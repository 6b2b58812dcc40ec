// Makes or changes a schedule: when it is due, what it submits, and what it does when things go wrong.
import { useState } from 'react';
import { call, Refusal } from '../api/client';
import { printExact } from '../api/exact';
import { useResource } from '../api/resource';
import type { Definition, Page, Schedule } from '../api/types';
import { quoted } from '../format';
import { Dialog } from '../parts/dialog';
import { Note, Shell, Trouble } from '../parts/basics';
import { toast } from '../parts/toast';
import { jsonTrouble } from './dead-letters';
import { newest } from './definitions';

type Spec = Record<string, unknown>;
const WAYS = [['cron', 'Cron expression', '0 2 * * MON-FRI'], ['every', 'Every', '15m'], ['at', 'Once, at', '2027-01-01T00:00:00Z'], ['after', 'After jobs of', 'extract, prices']] as const;
type Way = (typeof WAYS)[number][0];
/** Fields with a choice of words; the first is what holds if none is said. */
const CHOICES: [string, string, [string, string][]][] = [
  ['dst', 'When the clock is changed', [['vixie', 'as cron does'], ['skip', 'pass over what does not exist'], ['once', 'run once'], ['twice', 'run twice what comes twice']]],
  ['overlap', 'If earlier work still runs', [['skip', 'pass this one over'], ['buffer_one', 'wait, one at most'], ['cancel_running', 'cancel what runs'], ['allow', 'run beside it']]],
  ['misfire', 'After an outage', [['latest', 'run the latest that was missed'], ['all', 'run all that were missed'], ['skip', 'run none of them']]],
];

/** Fields of the form that say something of a clock; what follows jobs has none. */
const OF_TIME = ['timezone', 'jitter', 'dst', 'misfire'];

const names = (text: string) => text.split(',').map((name) => name.trim()).filter((name) => name !== '');

/** The body of a schedule with what the form says; fields that the form does not know stay. */
export function withForm(spec: Spec, way: Way, when: string, fields: Record<string, string>, work: Spec): Spec {
  const rest = Object.entries(spec).filter(([name]) => !['cron', 'every', 'at', 'after', 'job', 'task', 'params', ...Object.keys(fields)].includes(name));
  const said = Object.entries(fields).filter(([name, value]) => value !== '' && !(way === 'after' && OF_TIME.includes(name)));
  return { [way]: way === 'after' ? names(when) : when, ...Object.fromEntries(said), ...Object.fromEntries(rest), ...work };
}

/** The command that makes the same; what has no flag goes by a file. */
export function lineOf(name: string, body: Spec, isNew: boolean): string {
  const flags = ['cron', 'every', 'at', 'after', 'timezone', 'dst', 'overlap', 'misfire', 'jitter', 'job'];
  const simple = Object.entries(body).every(([key, value]) => (flags.includes(key) && (typeof value === 'string' || key === 'after')) || key === 'params');
  if (!isNew || !simple) return `echo ${quoted(JSON.stringify({ name, ...body }))} | mainspring schedules apply -`;
  const params = Object.entries((body.params ?? {}) as Spec).map(([key, value]) => ` --param ${quoted(`${key}=${JSON.stringify(value)}`)}`);
  return `mainspring schedules create ${quoted(name)}${flags.flatMap((flag) => [body[flag] ?? []].flat().map((value) => ` --${flag} ${quoted(String(value))}`)).join('')}${params.join('')}`;
}

export function ScheduleForm({ schedule, onClose, onDone }: { schedule?: Schedule; onClose: () => void; onDone: (name: string) => void }) {
  const spec: Spec = schedule?.spec ?? {};
  const text = (key: string) => (typeof spec[key] === 'string' ? spec[key] : '');
  const [name, setName] = useState(schedule?.name ?? '');
  const [way, setWay] = useState<Way>(WAYS.find(([key]) => spec[key] !== undefined)?.[0] ?? 'cron');
  const [when, setWhen] = useState([spec[way] ?? []].flat().map(String).join(', '));
  const [fields, setFields] = useState<Record<string, string>>({ timezone: text('timezone') || (schedule ? '' : Intl.DateTimeFormat().resolvedOptions().timeZone), dst: text('dst'), overlap: text('overlap'), misfire: text('misfire'), jitter: text('jitter') });
  const [job, setJob] = useState(typeof spec.job === 'string' ? spec.job : '');
  const own = spec.task ?? (typeof spec.job === 'object' ? spec.job : undefined);
  const [params, setParams] = useState(spec.params ? printExact(spec.params) : '');
  const [error, setError] = useState<Refusal | undefined>();
  const [busy, setBusy] = useState(false);
  const definitions = useResource<Page<Definition>>('/api/v1/definitions/jobs');
  const set = (key: string, value: string) => setFields({ ...fields, [key]: value });
  const trouble = params.trim() === '' ? '' : jsonTrouble(params);
  const work: Spec = own !== undefined ? (spec.task !== undefined ? { task: spec.task } : { job: spec.job }) : { job, ...(params.trim() && trouble === '' ? { params: JSON.parse(params) as unknown } : {}) };
  const body = withForm(spec, way, when.trim(), fields, work);
  const line = lineOf(name || 'NAME', body, !schedule);
  const save = async () => {
    setBusy(true);
    try {
      if (schedule) await call('PUT', `/api/v1/schedules/${encodeURIComponent(name)}`, body);
      else await call('POST', '/api/v1/schedules', { name, ...body });
      toast({ tone: 'green', text: schedule ? `Schedule ${name} was changed` : `Schedule ${name} was made`, line });
      onClose();
      onDone(name);
    } catch (reason) {
      setError(reason as Refusal);
      setBusy(false);
    }
  };
  const [, , example] = WAYS.find(([key]) => key === way) ?? WAYS[0];
  return (
    <Dialog label={schedule ? `Change ${name}` : 'New schedule'} onClose={onClose}>
      <form className="inside" onSubmit={(event) => { event.preventDefault(); void save(); }}>
        <h2>{schedule ? <>Change <span className="mono">{name}</span></> : 'New schedule'}</h2>
        {!schedule && <label className="field"><span>Name</span><input required value={name} placeholder="nightly" pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" maxLength={128} onChange={(event) => setName(event.target.value)} /></label>}
        <div className="grid two tight">
          <label className="field"><span>Due by</span><select value={way} onChange={(event) => { setWay(event.target.value as Way); setWhen(''); }}>{WAYS.map(([key, title]) => <option key={key} value={key}>{title}</option>)}</select></label>
          <label className="field"><span>{way === 'after' ? 'Definitions, with commas between them' : 'When'}</span><input required className="mono" value={when} placeholder={example} onChange={(event) => setWhen(event.target.value)} /></label>
          {way !== 'after' && (
            <>
              <label className="field"><span>Time zone</span><input value={fields.timezone} placeholder="UTC" list="zones" onChange={(event) => set('timezone', event.target.value.trim())} /></label>
              <label className="field"><span>Jitter</span><input value={fields.jitter} placeholder="none; for example 30s" onChange={(event) => set('jitter', event.target.value.trim())} /></label>
            </>
          )}
        </div>
        {way === 'after' && <p className="muted">It is due once a job of each of them has completed since it was due last.</p>}
        <datalist id="zones">{Intl.supportedValuesOf('timeZone').map((zone) => <option key={zone} value={zone} />)}</datalist>
        {own !== undefined ? <Note>What it submits is written in the schedule itself and stays: change it with <code>mainspring schedules apply FILE</code>.</Note> : (
          <>
            <label className="field"><span>Job definition</span>
              <select required value={job} onChange={(event) => setJob(event.target.value)}>
                <option value="">choose one</option>
                {newest([...(definitions.data?.items ?? [])]).map((each) => <option key={each.name} value={each.name}>{each.name}</option>)}
                {job !== '' && !definitions.data?.items.some((each) => each.name === job) && <option value={job}>{job}</option>}
              </select>
            </label>
            <label className="field"><span>Parameters, as JSON; empty for the definition’s own</span><textarea style={{ minHeight: 64 }} spellCheck={false} value={params} onChange={(event) => setParams(event.target.value)} /></label>
            {trouble && <Note tone="amber">{trouble}</Note>}
          </>
        )}
        <details>
          <summary>When something comes in between</summary>
          <div className="grid" style={{ marginTop: 12 }}>
            {CHOICES.filter(([key]) => way !== 'after' || !OF_TIME.includes(key)).map(([key, title, options]) => (
              <label key={key} className="field"><span>{title}</span>
                <select value={fields[key]} onChange={(event) => set(key, event.target.value)}>
                  <option value="">the default</option>
                  {options.map(([word, about]) => <option key={word} value={word}>{about} ({word})</option>)}
                </select>
              </label>
            ))}
          </div>
        </details>
        <Trouble error={error} />
        <Shell line={line} />
        <div className="ends">
          <button type="button" className="button" onClick={onClose}>Leave it</button>
          <button type="submit" className="button first" disabled={busy || trouble !== ''}>{schedule ? 'Change it' : 'Make it'}</button>
        </div>
      </form>
    </Dialog>
  );
}
