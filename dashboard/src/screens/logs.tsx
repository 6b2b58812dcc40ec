// What an attempt printed: read once if it has ended, followed while it runs, only the lines in view in the document.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { get, Refusal, taskPath } from '../api/client';
import type { LogChunk, Page } from '../api/types';
import { absolute, quoted } from '../format';
import { useLive } from '../live/live';
import { SseReader } from '../live/sse';
import { Empty, Note, Skeleton, Trouble } from '../parts/basics';
import { usePrefs } from '../prefs';
import { LineReader, type Line } from './log-lines';

const LINE = 20;
/** Logs that one browser follows at a time: its connections to one server are few. */
const FOLLOWED_MAX = 3;

type Following = 'no' | 'yes' | 'full' | 'lost';

/** Runs `work` while one of a few places is free in this browser; `false` if none is. */
async function inPlace(signal: AbortSignal, work: () => Promise<void>): Promise<boolean> {
  if (!navigator.locks) {
    await work();
    return true;
  }
  for (let place = 0; place < FOLLOWED_MAX; place += 1) {
    const had = await navigator.locks.request(`mainspring log ${place}`, { ifAvailable: true }, async (lock) => {
      if (!lock || signal.aborted) return false;
      await work();
      return true;
    });
    if (had) return true;
  }
  return false;
}

async function follow(path: string, signal: AbortSignal, each: (chunks: LogChunk[]) => void): Promise<void> {
  const response = await fetch(path, { headers: { Accept: 'text/event-stream' }, signal });
  if (!response.ok || !response.body) throw new Refusal(response.status, 'unknown', `the server answered ${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new SseReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const messages = parser.take(value);
    each(messages.filter((message) => message.event === undefined || message.event === 'log').map((message) => JSON.parse(message.data) as LogChunk).filter((chunk) => typeof chunk.data === 'string'));
    if (messages.some((message) => message.event === 'end')) return;
  }
}

async function readAll(path: string, signal: AbortSignal, each: (chunks: LogChunk[]) => void): Promise<void> {
  let cursor: string | undefined = '';
  while (cursor !== undefined && !signal.aborted) {
    const page: Page<LogChunk> = await get(`${path}&limit=1000${cursor && `&cursor=${cursor}`}`, signal);
    each(page.items);
    cursor = page.nextCursor;
  }
}

interface Props {
  taskId: string;
  jobId: string | null;
  attempt: number;
  ended: boolean;
}

export function LogView({ taskId, jobId, attempt, ended }: Props) {
  const [version, setVersion] = useState(0);
  const [error, setError] = useState<Refusal | undefined>();
  const [following, setFollowing] = useState<Following>('no');
  const [loaded, setLoaded] = useState(false);
  const reader = useRef(new LineReader());
  const connected = useLive((live) => live.connection === 'live');
  const [round, setRound] = useState(0);
  // The server is back: what broke off goes on.
  useEffect(() => {
    if (connected && following === 'lost') setRound((before) => before + 1);
  }, [connected, following]);
  useEffect(() => {
    const control = new AbortController();
    const lines = new LineReader();
    reader.current = lines;
    setLoaded(false);
    setError(undefined);
    setFollowing('no');
    let drawn = 0;
    const each = (chunks: LogChunk[]) => {
      chunks.forEach((chunk) => lines.take(chunk));
      setLoaded(true);
      // One drawing a frame, however fast it prints.
      if (drawn === 0) drawn = requestAnimationFrame(() => { drawn = 0; setVersion((before) => before + 1); });
    };
    const path = `${taskPath(taskId, jobId)}/logs?attempt=${attempt}`;
    const work = async () => {
      if (ended) return readAll(path, control.signal, each);
      const had = await inPlace(control.signal, () => {
        setFollowing('yes');
        return follow(`${path}&follow=true`, control.signal, each);
      });
      if (had) return;
      setFollowing('full');
      await readAll(path, control.signal, each);
    };
    work().then(
      () => { if (!control.signal.aborted) { setLoaded(true); setFollowing((before) => (before === 'yes' ? 'no' : before)); } },
      (reason: unknown) => {
        if (control.signal.aborted) return;
        setLoaded(true);
        setFollowing('lost');
        setError(reason instanceof Refusal ? reason : new Refusal(0, 'unreachable', 'the log broke off; it goes on when the server is back'));
      },
    );
    return () => {
      control.abort();
      cancelAnimationFrame(drawn);
    };
  }, [taskId, jobId, attempt, ended, round]);
  const id = jobId ? `${jobId}/${taskId}` : taskId;
  return (
    <div className="card log">
      <Trouble error={error} />
      {following === 'full' && <Note tone="amber">This browser follows {FOLLOWED_MAX} logs already; this one is as of when it was opened.</Note>}
      <Lines lines={reader.current.lines} version={version} loaded={loaded} live={following === 'yes'} line={`mainspring logs ${quoted(id)} --attempt ${attempt}${ended ? '' : ' --follow'}`} name={`${taskId}-${attempt}.log`} />
    </div>
  );
}

function download(lines: Line[], name: string): void {
  const url = URL.createObjectURL(new Blob([lines.map((line) => line.text).join('\n') + '\n'], { type: 'text/plain' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

function Lines({ lines, version, loaded, live, line, name }: { lines: Line[]; version: number; loaded: boolean; live: boolean; line: string; name: string }) {
  const ref = useRef<HTMLDivElement>(null);
  const { zone } = usePrefs();
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(400);
  const [stays, setStays] = useState(true);
  const [find, setFind] = useState('');
  const [hit, setHit] = useState(0);
  const [times, setTimes] = useState(false);
  const count = lines.length;
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    setHeight(element.clientHeight);
    if (stays) element.scrollTop = element.scrollHeight;
  }, [count, version, stays]);
  const hits = useMemo(() => {
    if (find === '') return [];
    const wanted = find.toLowerCase();
    return lines.filter((each) => each.text.toLowerCase().includes(wanted)).map((each) => each.number);
    // `version` stands for the lines, which grow in place.
  }, [find, lines, version]);
  const chosen = hits[hit % Math.max(hits.length, 1)];
  useEffect(() => {
    if (chosen !== undefined && ref.current) {
      setStays(false);
      ref.current.scrollTop = Math.max(0, (chosen - 5) * LINE);
    }
  }, [chosen]);
  const firstError = () => {
    const found = lines.find((each) => /error|exception|traceback|panic|fatal/i.test(each.text)) ?? lines.find((each) => each.stream === 'stderr');
    if (found && ref.current) {
      setStays(false);
      ref.current.scrollTop = Math.max(0, (found.number - 4) * LINE);
    }
  };
  const first = Math.max(0, Math.floor(top / LINE) - 10);
  const last = Math.min(count, Math.ceil((top + height) / LINE) + 10);
  return (
    <>
      <div className="foot filters" style={{ padding: '8px 12px' }}>
        <div className="search" style={{ flex: '1 1 160px' }}>
          <input style={{ paddingLeft: 12 }} aria-label="Find in the log" placeholder="find in the log" value={find} onChange={(event) => { setFind(event.target.value); setHit(0); }}
            onKeyDown={(event) => event.key === 'Enter' && setHit((before) => before + (event.shiftKey ? hits.length - 1 : 1))} />
        </div>
        {find !== '' && <span className="muted small">{hits.length === 0 ? 'none' : `${(hit % hits.length) + 1} of ${hits.length}`}</span>}
        <button type="button" className="button tiny" onClick={firstError} disabled={count === 0}>First error</button>
        <button type="button" className="button tiny" aria-pressed={times} onClick={() => setTimes(!times)}>Times</button>
        <button type="button" className="button tiny" aria-pressed={stays} onClick={() => setStays(!stays)}>{stays ? 'At the end' : 'To the end'}</button>
        <button type="button" className="button tiny" onClick={() => download(lines, name)} disabled={count === 0}>Download</button>
        <span className={`live tone-${live ? 'green' : 'grey'}`}><i />{live ? 'following' : `${count.toLocaleString('en')} ${count === 1 ? 'line' : 'lines'}`}</span>
      </div>
      <div className="lines" ref={ref} tabIndex={0} role="region" aria-label="Log"
        onScroll={(event) => {
          const element = event.currentTarget;
          setTop(element.scrollTop);
          setHeight(element.clientHeight);
          const atEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - LINE;
          if (atEnd !== stays && count > 0) setStays(atEnd);
        }}>
        {count === 0 ? (
          loaded ? <Empty title="It has printed nothing">Standard output and standard error appear here, line by line.</Empty> : live ? <Empty title="Waiting for the first line" /> : <Skeleton lines={6} />
        ) : (
          <div style={{ height: count * LINE, position: 'relative' }}>
            {lines.slice(first, last).map((each) => (
              <div key={each.number} className={`ln${each.stream === 'stderr' ? ' err' : ''}${each.number === chosen ? ' hit' : ''}`} style={{ transform: `translateY(${(each.number - 1) * LINE}px)` }}>
                <span className="no">{each.number}</span>
                {times && <span className="muted">{absolute(Date.parse(each.at), zone, true).slice(11)}</span>}
                <span>{each.text}</span>
              </div>
            ))}
          </div>
        )}
      </div>
      <div className="under"><code className="cut" data-cli={line}>{line}</code></div>
    </>
  );
}
