// The fields of a profile's form.
import type { Refusal } from '../api/client';
import { PROFILE_FIELDS, type ProfileField, type Texts } from './profile-fields';

/** What the server says about a field. */
function said(error: Refusal | undefined, key: string): string {
  const pointer = `/${key.replace('.', '/')}`;
  const found = error?.items.find((item) => item.pointer === pointer || (item.pointer === '/backoff' && key === 'backoff.type'));
  return found ? `${found.detail}${found.hint ? ` — ${found.hint}` : ''}` : '';
}

export function ProfileFields({ texts, error, onChange }: { texts: Texts; error: Refusal | undefined; onChange: (texts: Texts) => void }) {
  const field = (each: ProfileField) => {
    const trouble = said(error, each.key);
    const value = texts[each.key] ?? '';
    const set = (text: string) => onChange({ ...texts, [each.key]: text });
    const id = `field-${each.key}`;
    return (
      <label key={each.key} className="field">
        <span>{each.label}</span>
        {each.choices ? (
          <select value={value} aria-invalid={trouble !== ''} aria-describedby={trouble ? id : undefined} onChange={(event) => set(event.target.value)}>
            <option value="">{each.hint}</option>
            {each.choices.map(([word, about]) => <option key={word} value={word}>{about} ({word})</option>)}
            {value !== '' && !each.choices.some(([word]) => word === value) && <option value={value}>{value}</option>}
          </select>
        ) : (
          <input value={value} placeholder={each.hint} aria-invalid={trouble !== ''} aria-describedby={trouble ? id : undefined} spellCheck={false}
            type={each.kind === 'integer' ? 'number' : 'text'} min={0} max={each.max} inputMode={each.kind === 'number' ? 'decimal' : undefined} onChange={(event) => set(event.target.value)} />
        )}
        {trouble && <small id={id} className="tone-red ink">{trouble}</small>}
      </label>
    );
  };
  const some = (part: 'backoff' | 'rest') => PROFILE_FIELDS.filter(({ key }) => key.startsWith('backoff.') === (part === 'backoff'));
  return (
    <>
      <div className="grid two tight">{some('rest').map(field)}</div>
      <fieldset>
        <legend>Between retries</legend>
        <div className="grid two tight">{some('backoff').map(field)}</div>
      </fieldset>
    </>
  );
}
