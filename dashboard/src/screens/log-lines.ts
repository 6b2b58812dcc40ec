// From chunks of output to lines: terminal colours taken out, carriage returns obeyed, a line that is not finished kept open.
import type { LogChunk } from '../api/types';

export interface Line {
  number: number;
  text: string;
  stream: 'stdout' | 'stderr';
  at: string;
}

// Escape sequences of terminals.
const ESCAPES = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

/** What a terminal would show of a line: without escapes, and after the last carriage return. */
export function shownText(text: string): string {
  const plain = text.replace(ESCAPES, '').replace(/\r+$/, '');
  return plain.slice(plain.lastIndexOf('\r') + 1);
}

/** Gathers chunks into lines. Each stream has its own open line. */
export class LineReader {
  readonly lines: Line[] = [];
  private open: Partial<Record<LogChunk['stream'], Line>> = {};
  private raw: Partial<Record<LogChunk['stream'], string>> = {};

  take(chunk: LogChunk): void {
    const { stream, timestamp } = chunk;
    const parts = chunk.data.split('\n');
    for (const [index, part] of parts.entries()) {
      if (index > 0) {
        this.open[stream] = undefined;
        this.raw[stream] = '';
      }
      if (part === '' && (index === parts.length - 1)) continue;
      const raw = (this.raw[stream] ?? '') + part;
      this.raw[stream] = raw;
      const line = this.open[stream];
      if (line) {
        line.text = shownText(raw);
      } else {
        const fresh = { number: this.lines.length + 1, text: shownText(raw), stream, at: timestamp };
        this.lines.push(fresh);
        this.open[stream] = fresh;
      }
    }
  }
}
