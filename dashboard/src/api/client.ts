// Calls of the API. A refusal becomes a `Refusal` with the problem's own words.
import { parseExact } from './exact';

export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly hint?: string,
    /** What is wrong where, if it is several things. */
    readonly items: { pointer?: string; detail: string; hint?: string }[] = [],
  ) {
    super(detail);
  }
}

/** Query parameters as text; what is empty is left out. */
export function query(params: Record<string, string | number | undefined | null>): string {
  const pairs = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = pairs.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&');
  return text && `?${text}`;
}

async function answer<T>(response: Response): Promise<T> {
  const text = await response.text();
  if (response.ok) return (text === '' ? undefined : parseExact(text)) as T;
  let problem: { code?: string; detail?: string; hint?: string; errors?: Refusal['items'] } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    // Not ours: a proxy in between, perhaps.
  }
  const detail = problem.detail ?? `the server answered ${response.status}`;
  throw new Refusal(response.status, problem.code ?? 'unknown', detail, problem.hint, problem.errors);
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { ...init, credentials: 'same-origin' });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Refusal(0, 'unreachable', 'the server cannot be reached');
  }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return answer<T>(await send(path, { headers: { Accept: 'application/json' }, signal }));
}

/** Sends JSON. `body` may be JSON text already; `more` are headers. */
export async function call<T>(method: 'POST' | 'PATCH' | 'PUT' | 'DELETE', path: string, body?: unknown, more: Record<string, string> = {}): Promise<T> {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const headers: Record<string, string> = text === undefined ? { ...more } : { 'Content-Type': 'application/json', ...more };
  return answer<T>(await send(path, { method, headers, body: text }));
}

/** The address of a task in the API. */
export function taskPath(taskId: string, jobId?: string | null): string {
  const task = encodeURIComponent(taskId);
  return jobId ? `/api/v1/jobs/${encodeURIComponent(jobId)}/tasks/${task}` : `/api/v1/tasks/${task}`;
}

/** The address of a task in the dashboard. */
export function taskHref(taskId: string, jobId?: string | null): string {
  return jobId ? `/jobs/${encodeURIComponent(jobId)}/tasks/${encodeURIComponent(taskId)}` : `/tasks/${encodeURIComponent(taskId)}`;
}

export function jobHref(jobId: string): string {
  return `/jobs/${encodeURIComponent(jobId)}`;
}
