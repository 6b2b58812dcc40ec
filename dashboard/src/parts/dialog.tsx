// Native dialogs: what an action would do, told before it is done, and the command that does the same.
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Refusal } from '../api/client';
import { Note, Shell, Trouble } from './basics';
import { toast } from './toast';

export function Dialog({ label, onClose, className, children }: { label: string; onClose: () => void; className?: string; children: ReactNode }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) dialog.showModal();
    // The first thing that can be pressed may stand at the end of a long text, which would open there.
    if (dialog && dialog.scrollTop > 0) {
      dialog.focus();
      dialog.scrollTop = 0;
    }
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const outside = (target: EventTarget) => target === ref.current;
  return (
    <dialog ref={ref} tabIndex={-1} aria-label={label} className={className} onClose={onClose} onClick={(event) => outside(event.target) && onClose()}>
      {children}
    </dialog>
  );
}

export interface Action {
  title: string;
  /** The word on the button. */
  verb: string;
  about?: ReactNode;
  danger?: boolean;
  /** The same for a shell. */
  line: string;
  /** Counts without doing; shown before the button can be pressed. */
  preview?: () => Promise<{ count: number; more?: boolean; items: string[] }>;
  run: () => Promise<{ count: number } | unknown>;
  /** What is said once it is done. */
  done: (count: number | undefined) => string;
  after?: () => void;
  undo?: () => Promise<unknown>;
}

/** Many things are only changed by somebody who types how many. */
const TYPED_ABOVE = 1_000;

/** `again`: changes when the preview must be asked for anew. */
export function ActionDialog({ action, onClose, again, children }: { action: Action; onClose: () => void; again?: string; children?: ReactNode }) {
  const [preview, setPreview] = useState<{ count: number; more?: boolean; items: string[] } | undefined>();
  const [error, setError] = useState<Refusal | undefined>();
  const [busy, setBusy] = useState(false);
  const [typed, setTyped] = useState('');
  useEffect(() => {
    let gone = false;
    setPreview(undefined);
    setError(undefined);
    action.preview?.().then(
      (found) => !gone && setPreview(found),
      (reason: unknown) => !gone && setError(reason as Refusal),
    );
    return () => {
      gone = true;
    };
    // The preview is of the moment the dialog opened, or what it is about was changed.
  }, [again]);
  const count = preview?.count;
  const waits = action.preview !== undefined && (count === undefined || count === 0);
  const mustType = count !== undefined && count > TYPED_ABOVE && typed !== String(count);
  const run = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await perform(action);
      onClose();
    } catch (reason) {
      setError(reason as Refusal);
      setBusy(false);
    }
  };
  return (
    <Dialog label={action.title} onClose={onClose}>
      <form className="inside" onSubmit={(event) => { event.preventDefault(); void run(); }}>
        <h2>{action.title}</h2>
        {action.about && <p className="muted">{action.about}</p>}
        {children}
        {action.preview && (
          <Note icon="search">
            {count === undefined ? 'Counting without changing anything …' : <Preview found={preview} />}
          </Note>
        )}
        {count !== undefined && count > TYPED_ABOVE && (
          <label className="field">
            <span>Type {count} to go on</span>
            <input inputMode="numeric" value={typed} onChange={(event) => setTyped(event.target.value)} />
          </label>
        )}
        <Shell line={action.line} />
        <Trouble error={error} />
        <div className="ends">
          <button type="button" className="button" onClick={onClose}>Leave it</button>
          <button type="submit" className={`button first${action.danger ? ' danger' : ''}`} disabled={busy || waits || mustType}>
            {action.verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Preview({ found }: { found: { count: number; more?: boolean; items: string[] } | undefined }) {
  if (!found || found.count === 0) return <>It would change nothing.</>;
  const named = found.items.slice(0, 4).join(', ');
  const rest = found.count - Math.min(4, found.items.length);
  return (
    <>
      It would change <strong>{found.count}{found.more ? ' now, and more if repeated' : ''}</strong>: {named}
      {rest > 0 && ` and ${rest} more`}.
    </>
  );
}

/** Does it, and says so. */
export async function perform(action: Action): Promise<void> {
  const result = (await action.run()) as { count?: number } | undefined;
  const count = typeof result?.count === 'number' ? result.count : undefined;
  const { undo } = action;
  toast({ tone: 'green', text: action.done(count), line: action.line, undo: undo && (() => void undo().then(action.after)) });
  action.after?.();
}

/** A button that does something at once, and tells the command. */
export function ActButton({ action, tiny, first, disabled }: { action: Action; tiny?: boolean; first?: boolean; disabled?: boolean }) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      await perform(action);
    } catch (reason) {
      toast({ tone: 'red', text: (reason as Refusal).message, line: action.line });
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" title={action.line} disabled={busy || disabled} className={`button${tiny ? ' tiny' : ''}${first ? ' first' : ''}`} onClick={() => void run()}>
      {action.verb}
    </button>
  );
}

/** A button that asks first. */
export function AskButton({ action, tiny, first, disabled, children }: { action: Action; tiny?: boolean; first?: boolean; disabled?: boolean; children?: ReactNode }) {
  const [open, setOpen] = useState(false);
  const style = `button${tiny ? ' tiny' : ''}${first ? ' first' : ''}${action.danger && !first ? ' danger' : ''}`;
  return (
    <>
      <button type="button" title={action.line} disabled={disabled} className={style} onClick={() => setOpen(true)}>
        {action.verb}
      </button>
      {open && <ActionDialog action={action} onClose={() => setOpen(false)}>{children}</ActionDialog>}
    </>
  );
}
