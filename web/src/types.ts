// What the server sends, as far as this page reads it. Every field of a workspace may be missing in an
// older server's answer, so `readWorkspace` gives each one a value once and the rest of the page can rely on it.

export interface Workspace {
  id: string;
  name: string;
  role: string;
  tier: number;
  status: string;
  runtime: string;
  url: string;
  parentId: string | null;
  activeTasks: number;
  currentTask: string;
  errorRate: number;
  lastError: string;
  failure: Failure | null;
  pull: Pull | null; // while its image is fetched; known from live events only
  uptimeSeconds: number;
  createdAt: string;
  heartbeatAt: string;
  agentCard: unknown;
}

/** Why a workspace does not run. */
export interface Failure {
  reason: string; // a fixed word
  message: string;
  hint: string;
  exitCode: number | null;
}

/** How far the fetching of an image is. */
export interface Pull {
  percent: number | null;
  text: string;
}

export interface EventRow {
  type: string;
  createdAt: string;
  payload: unknown;
}

export interface LiveEvent {
  event: string;
  workspaceId: string;
  timestamp: string;
  payload: Record<string, unknown>;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function asNumber(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

export function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function readFailure(value: unknown): Failure | null {
  if (!isRecord(value)) return null;
  return {
    reason: asText(value['reason']),
    message: asText(value['message']),
    hint: asText(value['hint']),
    exitCode: typeof value['exit_code'] === 'number' ? value['exit_code'] : null,
  };
}

export function readWorkspace(value: unknown): Workspace | null {
  if (!isRecord(value) || typeof value['id'] !== 'string') return null;
  return {
    id: value['id'],
    name: asText(value['name']) || value['id'],
    role: asText(value['role']),
    tier: asNumber(value['tier']),
    status: asText(value['status']) || 'unknown',
    runtime: asText(value['runtime']),
    url: asText(value['url']),
    parentId: asText(value['parent_id']) || null,
    activeTasks: asNumber(value['active_tasks']),
    currentTask: asText(value['current_task']),
    errorRate: asNumber(value['last_error_rate']),
    lastError: asText(value['last_sample_error']),
    failure: readFailure(value['failure']),
    pull: null,
    uptimeSeconds: asNumber(value['uptime_seconds']),
    createdAt: asText(value['created_at']),
    heartbeatAt: asText(value['last_heartbeat_at']),
    agentCard: value['agent_card'] ?? null,
  };
}

export function readEventRow(value: unknown): EventRow | null {
  if (!isRecord(value)) return null;
  return {
    type: asText(value['event_type']),
    createdAt: asText(value['created_at']),
    payload: value['payload'] ?? null,
  };
}

export function readLiveEvent(text: string): LiveEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || typeof value['event'] !== 'string') return null;
  return {
    event: value['event'],
    workspaceId: asText(value['workspace_id']),
    timestamp: asText(value['timestamp']) || new Date().toISOString(),
    payload: isRecord(value['payload']) ? value['payload'] : {},
  };
}
