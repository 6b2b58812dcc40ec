// Reads server-sent events from a stream of text, piece by piece.

export interface Message {
  id?: string;
  event?: string;
  data: string;
}

/** Takes pieces of text and gives back the messages that they complete. Comments are dropped. */
export class SseReader {
  private rest = '';

  take(piece: string): Message[] {
    const parts = (this.rest + piece).split('\n\n');
    this.rest = parts.pop() ?? '';
    return parts.map(message).filter((found) => found !== null);
  }
}

function message(part: string): Message | null {
  const found: Message = { data: '' };
  const data: string[] = [];
  for (const line of part.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, '');
    const field = line.slice(0, colon);
    if (field === 'data') data.push(value);
    else if (field === 'id') found.id = value;
    else if (field === 'event') found.event = value;
  }
  found.data = data.join('\n');
  return data.length === 0 ? null : found;
}
