// Limits of queues, types and tenants: what is set, and a form that changes it at run time.
import { useState } from 'react';
import { call, query } from '../api/client';
import { useResource } from '../api/resource';
import type { Page, Queue, Rate, TenantLimits, TypeLimits } from '../api/types';
import { counted, quoted } from '../format';
import { ActionDialog, type Action } from '../parts/dialog';
import { StateBar, Trouble, Wide } from '../parts/basics';
import { Link } from '../router';

/** A length of time as it would be written: `1m` for 60 seconds. */
function written(per: number | string): string {
  if (typeof per === 'string') return per;
  const [size, unit] = ([[3_600, 'h'], [60, 'm']] as const).find(([seconds]) => per >= seconds && per % seconds === 0) ?? [1, 's'];
  return `${per / size}${unit}`;
}

/** `100/1m`. */
export function rateText(rate: Rate | null | undefined): string {
  return rate ? `${rate.limit}/${written(rate.per)}` : '';
}

/** `100/1m`, and the burst where it is another number. */
export function rateWords(rate: Rate | null | undefined): string {
  return rate && rate.burst !== undefined && rate.burst !== rate.limit ? `${rateText(rate)}, ${rate.burst} at once` : rateText(rate);
}

interface Field {
  key: string;
  flag: string;
  label: string;
  hint: string;
  isNumber?: boolean;
}

const STARTS: Field[] = [
  { key: 'concurrency', flag: '--concurrency', label: 'Run at a time, at most', hint: 'no limit', isNumber: true },
  { key: 'rate', flag: '--rate', label: 'Start, at most', hint: 'no limit; for example 100/1m' },
];
const TENANT: Field[] = [
  { key: 'weight', flag: '--weight', label: 'Tasks that are taken in its turn, 1 to 100', hint: '1', isNumber: true },
  { key: 'submitRate', flag: '--submit-rate', label: 'May submit, at most', hint: 'no limit; for example 1000/1m' },
];
const KINDS = { queues: { noun: 'queue', fields: STARTS }, types: { noun: 'type', fields: STARTS }, tenants: { noun: 'tenant', fields: TENANT } };
type Kind = keyof typeof KINDS;

/** What a form changes: fields that differ, `null` for one that was emptied. */
export function patchOf(fields: Field[], before: Record<string, string>, now: Record<string, string>): Record<string, number | string | null> {
  const changed = fields.filter(({ key }) => (before[key] ?? '') !== (now[key] ?? '').trim());
  return Object.fromEntries(changed.map(({ key, isNumber }) => {
    const text = (now[key] ?? '').trim();
    return [key, text === '' ? null : isNumber ? Number(text) : text];
  }));
}

function action(kind: Kind, name: string, patch: Record<string, number | string | null>, after: () => void): Action {
  const { noun, fields } = KINDS[kind];
  const flags = fields.filter(({ key }) => key in patch).map(({ key, flag }) => ` ${flag} ${patch[key] === null ? 'none' : quoted(String(patch[key]))}`);
  return {
    title: name ? `Limits of ${noun} ${name}` : `Limit a ${noun}`,
    verb: 'Set',
    about: kind === 'tenants' ? undefined : 'They hold over all workers and nodes. What runs already goes on.',
    line: `mainspring ${kind} set ${quoted(name || 'NAME')}${flags.join('')}`,
    run: () => call('PATCH', `/api/v1/${kind}/${encodeURIComponent(name)}`, patch),
    done: () => `The limits of ${noun} ${name} are set`,
    after,
  };
}

interface FormProps {
  kind: Kind;
  /** Empty: asks for it. */
  name: string;
  values: Record<string, string>;
  after: () => void;
}

/** A button that opens the form. */
export function LimitsButton({ label, ...form }: FormProps & { label: string }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" className="button tiny" onClick={() => setOpen(true)}>{label}</button>
      {open && <LimitsForm {...form} onClose={() => setOpen(false)} />}
    </>
  );
}

function LimitsForm({ kind, name, values, after, onClose }: FormProps & { onClose: () => void }) {
  const [given, setGiven] = useState(name);
  const [texts, setTexts] = useState(values);
  const { noun, fields } = KINDS[kind];
  const patch = patchOf(fields, values, texts);
  return (
    <ActionDialog action={action(kind, given.trim(), patch, after)} onClose={onClose}>
      {name === '' && <label className="field"><span>Name of the {noun}</span><input required value={given} maxLength={256} onChange={(event) => setGiven(event.target.value)} /></label>}
      {fields.map(({ key, label, hint, isNumber }) => (
        <label key={key} className="field"><span>{label}</span>
          <input type={isNumber ? 'number' : 'text'} min={0} pattern={isNumber ? undefined : '\\s*\\d+\\s*/\\s*[0-9a-z.]+\\s*'} placeholder={hint} value={texts[key] ?? ''} onChange={(event) => setTexts({ ...texts, [key]: event.target.value })} />
        </label>
      ))}
    </ActionDialog>
  );
}

/** The limits of a queue in a cell of its row: how much of them is used. */
export function QueueLimits({ queue }: { queue: Queue }) {
  const running = queue.tasks.running?.count ?? 0;
  if (queue.concurrency === undefined && !queue.rate) return <span className="muted">none</span>;
  return (
    <span className="grid" style={{ gap: 2, minWidth: 120 }}>
      {queue.concurrency !== undefined && (
        <>
          <Link href={`/tasks${query({ q: `queue:${queue.name} status:running` })}`}>{counted(queue.tasks.running)} of {queue.concurrency} run</Link>
          <StateBar states={{ running }} total={Math.max(queue.concurrency, running, 1)} />
        </>
      )}
      {queue.rate && <span>{rateWords(queue.rate)}</span>}
    </span>
  );
}

export const limitsOf = (limits: { concurrency?: number; rate?: Rate }) => ({ concurrency: limits.concurrency === undefined ? '' : String(limits.concurrency), rate: rateText(limits.rate) });

/** Types and tenants that have limits. */
export function MoreLimits() {
  const types = useResource<Page<TypeLimits>>('/api/v1/types');
  const tenants = useResource<Page<TenantLimits>>('/api/v1/tenants');
  return (
    <div className="grid two">
      <section className="card">
        <header><h2>Limits of types</h2><span className="rest"><LimitsButton label="Limit a type …" kind="types" name="" values={{}} after={types.reload} /></span></header>
        <Trouble error={types.error} />
        {types.data?.items.length === 0 ? <div className="body muted">None. A limit of a type holds over all queues.</div> : (
          <Wide label="Limits of types">
            <table className="plain">
              <thead><tr><th>Type</th><th className="right">At a time</th><th className="right">Starts</th><th><span className="unseen">Actions</span></th></tr></thead>
              <tbody>
                {types.data?.items.map((each) => (
                  <tr key={each.type}>
                    <td><Link href={`/tasks${query({ q: `type:${each.type}` })}`} className="mono">{each.type}</Link></td>
                    <td className="right">{each.concurrency ?? '—'}</td>
                    <td className="right">{rateWords(each.rate) || '—'}</td>
                    <td className="right"><LimitsButton label="Limits …" kind="types" name={each.type} values={limitsOf(each)} after={types.reload} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        )}
      </section>
      <section className="card">
        <header><h2>Shares of tenants</h2><span className="rest"><LimitsButton label="Set a tenant …" kind="tenants" name="" values={{}} after={tenants.reload} /></span></header>
        <Trouble error={tenants.error} />
        {tenants.data?.items.length === 0 ? <div className="body muted">All alike. A tenant of weight 3 is served three tasks for each of one of weight 1.</div> : (
          <Wide label="Shares of tenants">
            <table className="plain">
              <thead><tr><th>Tenant</th><th className="right">Weight</th><th className="right">Submits</th><th><span className="unseen">Actions</span></th></tr></thead>
              <tbody>
                {tenants.data?.items.map((each) => (
                  <tr key={each.userId}>
                    <td><Link href={`/tasks${query({ q: `user:${each.userId}` })}`} className="mono">{each.userId}</Link></td>
                    <td className="right">{each.weight}</td>
                    <td className="right">{rateWords(each.submitRate) || '—'}</td>
                    <td className="right"><LimitsButton label="Set …" kind="tenants" name={each.userId} values={{ weight: String(each.weight), submitRate: rateText(each.submitRate) }} after={tenants.reload} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        )}
      </section>
    </div>
  );
}
