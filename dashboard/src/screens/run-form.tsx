// Makes a job from its definition: a field for each parameter that the definition declares.
import { useState } from 'react';
import { call, jobHref, Refusal } from '../api/client';
import type { Definition } from '../api/types';
import { quoted } from '../format';
import { Dialog } from '../parts/dialog';
import { Note, Shell, Trouble } from '../parts/basics';
import { toast } from '../parts/toast';
import { navigate } from '../router';
import { paramsOf, shown, values, type Param } from './params';

export function RunForm({ definition, onClose }: { definition: Definition; onClose: () => void }) {
  const params = paramsOf(definition.body);
  const [texts, setTexts] = useState<Record<string, string>>(Object.fromEntries(params.map((param) => [param.name, shown(param.preset)])));
  const [error, setError] = useState<Refusal | undefined>();
  const [busy, setBusy] = useState(false);
  let given: Record<string, unknown> = {};
  let trouble = '';
  try {
    given = values(params, texts);
  } catch (reason) {
    trouble = (reason as Error).message;
  }
  const line = `mainspring definitions run ${quoted(definition.name)}${Object.entries(given).map(([name, value]) => ` --param ${quoted(`${name}=${shown(value)}`)}`).join('')}`;
  const run = async () => {
    setBusy(true);
    try {
      const body = Object.keys(given).length > 0 ? { params: given } : {};
      const made = await call<{ jobId: string }>('POST', `/api/v1/definitions/jobs/${encodeURIComponent(definition.name)}/run`, body);
      toast({ tone: 'green', text: `Job ${made.jobId} was made from ${definition.name}`, line });
      onClose();
      navigate(jobHref(made.jobId));
    } catch (reason) {
      setError(reason as Refusal);
      setBusy(false);
    }
  };
  return (
    <Dialog label={`Run ${definition.name}`} onClose={onClose}>
      <form className="inside" onSubmit={(event) => { event.preventDefault(); void run(); }}>
        <h2>Run <span className="mono">{definition.name}</span>, version {definition.version}</h2>
        {params.length === 0 && <p className="muted">It has no parameters. A new job is made from it as it is.</p>}
        {params.map((param) => <ParamField key={param.name} param={param} text={texts[param.name] ?? ''} onChange={(text) => setTexts({ ...texts, [param.name]: text })} />)}
        {trouble && <Note tone="amber">{trouble}</Note>}
        <Trouble error={error} />
        <Shell line={line} />
        <div className="ends">
          <button type="button" className="button" onClick={onClose}>Leave it</button>
          <button type="submit" className="button first" disabled={busy || trouble !== ''}>Run it</button>
        </div>
      </form>
    </Dialog>
  );
}

function ParamField({ param, text, onChange }: { param: Param; text: string; onChange: (text: string) => void }) {
  const required = param.required && param.preset === undefined;
  const choices = param.type === 'boolean' ? [true, false] : param.choices;
  return (
    <label className="field">
      <span><span className="mono">{param.name}</span> <span className="muted small">{param.type}{required ? ', must be given' : ''}{param.about && ` · ${param.about}`}</span></span>
      {choices.length > 0 ? (
        <select required={required} value={text} onChange={(event) => onChange(event.target.value)}>
          {param.preset === undefined && <option value="">{required ? 'choose one' : 'none'}</option>}
          {choices.map((choice) => <option key={shown(choice)} value={shown(choice)}>{shown(choice)}</option>)}
        </select>
      ) : param.type === 'list' || param.type === 'object' ? (
        <textarea required={required} style={{ minHeight: 64 }} spellCheck={false} value={text} onChange={(event) => onChange(event.target.value)} />
      ) : (
        <input required={required} inputMode={param.type === 'integer' || param.type === 'number' ? 'decimal' : undefined} value={text} onChange={(event) => onChange(event.target.value)} />
      )}
    </label>
  );
}
