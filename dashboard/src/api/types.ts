// What the API returns, as far as the dashboard reads it. Names are the API's own.

export interface Count {
  count: number;
  more?: boolean;
}
export interface Page<T> {
  items: T[];
  nextCursor?: string;
}
export interface Failure {
  type: string;
  message: string;
  trace?: string;
}
export interface Task {
  taskId: string;
  jobId: string | null;
  taskName?: string;
  userId: string;
  type: string;
  queue: string;
  priority: number;
  status: string;
  generation: number;
  attempt: number;
  retries?: number;
  timeout?: number | string;
  trigger?: string;
  createdAt: string;
  runAt?: string;
  readyAt?: string;
  startTime: string | null;
  endTime: string | null;
  expiresAt?: string;
  workerId: string | null;
  error: Failure | null;
  skipReason?: string;
  held?: boolean;
  /** When it fails without an answer, while it waits for an approval that has a limit. */
  approvalUntil?: string;
  evaluating?: boolean;
  /** Of a `forEach`: its instances by how they ended. */
  instances?: JobCounts;
  /** The job that carries it out. */
  childJobId?: string;
  dead?: boolean;
  tags: string[];
  labels?: Record<string, string>;
  group?: string;
  payload?: unknown;
  command?: string[];
  run?: string;
  http?: unknown;
  env?: Record<string, string>;
  output?: unknown;
}
export interface JobCounts {
  total: number;
  completed: number;
  failed: number;
  cancelled: number;
  skipped: number;
}
export interface Job {
  jobId: string;
  jobName: string | null;
  definition?: { name: string; version: number | null };
  userId: string;
  status: string;
  generation: number;
  tasks: JobCounts;
  failurePolicy: string;
  unhandledFailures: number;
  paused: boolean;
  cancelRequested: boolean;
  sweep?: string;
  /** The task of another job that it carries out. */
  parent?: { jobId: string; taskId: string };
  params?: unknown;
  deadline?: string;
  maxActive?: number;
  queued?: boolean;
  tags: string[];
  createdAt: string;
  startTime: string | null;
  endTime: string | null;
}
export interface Attempt {
  taskId: string;
  jobId: string | null;
  attempt: number;
  generation: number;
  startTime: string;
  endTime: string | null;
  status: string;
  workerId: string;
  error: Failure | null;
  logs: string;
}
export interface LogChunk {
  attempt: number;
  seq: number;
  stream: 'stdout' | 'stderr';
  timestamp: string;
  data: string;
}
export interface Gate {
  gate: string;
  detail: string;
  holder?: { jobId?: string; taskId?: string; workerId?: string };
  since?: string;
  until?: string;
}
export interface Queue {
  name: string;
  paused: boolean;
  tasks: Record<string, Count>;
  oldestReadySeconds?: number;
  concurrency?: number;
  rate?: Rate;
}
export interface Rate {
  limit: number;
  /** Seconds, or text like `1m`. */
  per: number | string;
  burst?: number;
}
export interface TypeLimits {
  type: string;
  concurrency?: number;
  rate?: Rate;
}
export interface TenantLimits {
  userId: string;
  weight: number;
  submitRate?: Rate;
  maxBacklog?: number;
}
export interface Worker {
  workerId: string;
  sessionId: string | null;
  queues: string[];
  types: string[];
  labels?: Record<string, string>;
  capacity: number;
  running: { taskId: string; jobId?: string }[];
  directive: string;
  since: string | null;
  heardAt: string | null;
}
export interface DeadLetter {
  id: string;
  taskId: string;
  jobId: string | null;
  taskName?: string;
  type: string;
  queue: string;
  attempt: number;
  error: Failure | null;
  fingerprint: string;
  failedAt: string | null;
}
export interface DeadGroup {
  fingerprint: string;
  count: number;
  lastAt: string | null;
  firstAt: string | null;
  ids: string[];
}
export interface DeadLetters extends Page<DeadLetter> {
  groups: DeadGroup[];
}
export interface Bulk {
  count: number;
  more: boolean;
  items: string[];
  dryRun: boolean;
}
export interface Definition {
  kind: 'task' | 'job' | 'profile';
  name: string;
  userId: string;
  version: number;
  appliedAt: string;
  appliedBy?: string;
  body: unknown;
}
export interface Audit {
  timestamp: string;
  actor: string;
  action: string;
  target: string;
  detail: unknown;
}
export interface Stats {
  tasks: Record<string, Count>;
  jobs: Record<string, Count>;
  queues: Queue[];
  workers: number;
  running: number;
  attempts: Record<string, number>;
  store: string;
  version: string;
  uptimeSeconds: number;
}
export interface Quantiles {
  p50: number;
  p95: number;
  p99: number;
}
export interface HistoryPoint {
  at: string;
  ended: Record<string, number>;
  ready: number;
  running: number;
  startLatency?: Quantiles;
  duration?: Quantiles;
}
export interface History {
  stepSeconds: number;
  points: HistoryPoint[];
}
export interface Event {
  eventId: string;
  eventType: string;
  jobId: string | null;
  taskId: string | null;
  status: string;
  timestamp: string;
  attempt?: number;
  queue?: string;
  workerId?: string;
  message?: string;
}
export interface Schedule {
  name: string;
  userId: string;
  ofDefinition: boolean;
  generation: number;
  paused: boolean;
  description: string;
  spec: Record<string, unknown>;
  nextInstant?: string;
  nextDue?: string;
  finished: boolean;
  lastInstant?: string;
  coveredUntil: string;
  running: string[];
  buffered?: string;
  backfill?: { doneUntil: string; to: string; concurrency: number; fired: number; running: string[] };
  createdAt: string;
  changedAt: string;
}
export interface Occurrence {
  instant: string;
  until?: string;
  status: string;
  reason?: string;
  detail?: string;
  cause: string;
  generation: number;
  jobId?: string;
  taskId?: string;
}
export interface Upcoming {
  at: string;
  due?: string;
}
export interface ClusterNode {
  nodeId: string;
  address: string | null;
  about: string;
  version: string;
  alive: boolean;
  silentMs: number;
  shards: number[];
}
export interface ClusterShard {
  shard: number;
  epoch: number;
  nodeId: string | null;
}
export interface Cluster {
  nodeId: string;
  store: string;
  durability: string;
  time: string;
  reasons: { reason: string; detail: string }[];
  nodes: ClusterNode[];
  shards: ClusterShard[];
}
export interface LaidOutNode {
  id: string;
  title?: string;
  type: string;
  status: string;
  wave: number;
  x: number;
  y: number;
  attempt: number;
  startTime?: string;
  endTime?: string;
  group?: string;
  states?: Record<string, number>;
}
export interface GraphLayout {
  jobId: string;
  collapse: 'none' | 'group' | 'state';
  tasks: number;
  size: [number, number];
  nodeSize: [number, number];
  nodes: LaidOutNode[];
  edges: [number, number][];
  bends: { edge: number; points: [number, number][] }[];
  criticalPath: number[];
  criticalMs: number;
}
