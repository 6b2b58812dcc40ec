// The query field: searches as one types, offers the fields and words of the query language.
import { useEffect, useId, useRef, useState, type KeyboardEvent } from 'react';
import { useLive } from '../live/live';
import { Icon } from './icons';
import { offers, type Offer } from './offers';

/** How long typing must rest before the list is read. */
const REST_MS = 180;

interface Props {
  value: string;
  onChange: (value: string) => void;
  scope: 'tasks' | 'jobs';
  label: string;
}

export function Search({ value, onChange, scope, label }: Props) {
  const [text, setText] = useState(value);
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState(-1);
  const stats = useLive((live) => live.stats);
  const sent = useRef(value);
  const id = useId();
  // The address changed by other means: a link, the way back.
  useEffect(() => {
    if (value !== sent.current) setText(value);
    sent.current = value;
  }, [value]);
  useEffect(() => {
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text;
      onChange(text);
    }, REST_MS);
    return () => clearTimeout(timer);
  }, [text, onChange]);
  const list = open ? offers(text, scope, stats).slice(0, 8) : [];
  const take = (offer: Offer | undefined) => {
    if (!offer) return;
    setText(text.slice(0, text.lastIndexOf(' ') + 1) + offer.word);
    setChosen(-1);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      if (list.length > 0) setOpen(false);
      else (event.target as HTMLElement).blur();
    } else if (list.length > 0 && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      event.preventDefault();
      setChosen((chosen + (event.key === 'ArrowDown' ? 1 : list.length - 1 + (chosen < 0 ? 1 : 0))) % list.length);
    } else if (list.length > 0 && (event.key === 'Tab' || event.key === 'Enter') && (chosen >= 0 || event.key === 'Tab') && !event.shiftKey) {
      event.preventDefault();
      take(list[Math.max(chosen, 0)]);
    } else if (event.key === 'Enter') {
      sent.current = text;
      onChange(text);
      setOpen(false);
    }
  };
  return (
    <div className="search" role="search">
      <Icon name="search" />
      <input
        data-search
        type="text"
        role="combobox"
        aria-expanded={list.length > 0}
        aria-controls={`${id}-offers`}
        aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined}
        aria-label={label}
        placeholder={scope === 'tasks' ? 'status:failed queue:email -type:noop "free text"' : 'status:failed tag:nightly "free text"'}
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => { setText(event.target.value); setOpen(true); setChosen(-1); }}
        onBlur={() => setTimeout(() => setOpen(false), 120)}
        onKeyDown={onKey}
      />
      {text === '' && <kbd aria-hidden="true">/</kbd>}
      {list.length > 0 && (
        <ul id={`${id}-offers`} className="offers" role="listbox" aria-label="Completions">
          {list.map((offer, index) => (
            <li key={offer.word} id={`${id}-${index}`} role="option" aria-selected={index === chosen} onMouseDown={(event) => { event.preventDefault(); take(offer); }}>
              <code>{offer.word}</code>
              <span>{offer.about}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
