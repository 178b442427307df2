// What this page knows about the workspaces. The list from the server is the truth; live events change it
// at once, and whatever an event cannot tell (a new node's parent, an id never seen) is fetched again.

import { ApiError, listWorkspaces } from './api';
import { type LiveEvent, type Workspace, asNumber, asText, readWorkspace } from './types';

const REFRESH_DELAY_MS = 120; // a burst of events (an organisation being imported) makes one fetch

/** Events that mean "this workspace now has that status". */
const statusOf: Record<string, string> = {
  WORKSPACE_PROVISIONING: 'provisioning',
  WORKSPACE_ONLINE: 'online',
  WORKSPACE_OFFLINE: 'offline',
  WORKSPACE_DEGRADED: 'degraded',
  WORKSPACE_PROVISION_FAILED: 'failed',
  WORKSPACE_PAUSED: 'paused',
  WORKSPACE_HIBERNATED: 'hibernated',
  WORKSPACE_AWAITING_AGENT: 'awaiting_agent',
};

/** Events after which only the list can tell how the organisation looks. */
const structural = new Set([
  'WORKSPACE_PROVISIONING',
  'WORKSPACE_PROVISION_FAILED', // the hint and the end of the log stand in the list only
  'WORKSPACE_OFFLINE',
  'WORKSPACE_UPDATED',
  'WORKSPACE_REMOVED',
  'WORKSPACE_EXPANDED',
  'WORKSPACE_COLLAPSED',
]);

type Workspaces = Map<string, Workspace>;

/** Applies one event to the workspaces. True: the list must be fetched to know the rest. */
export function applyEvent(workspaces: Workspaces, event: LiveEvent): boolean {
  const workspace = workspaces.get(event.workspaceId);
  if (event.event === 'WORKSPACE_REMOVED') {
    removeFrom(workspaces, event.workspaceId);
    return true;
  }
  if (!workspace) return event.event in statusOf || structural.has(event.event);
  workspaces.set(workspace.id, { ...workspace, ...changeOf(workspace, event) });
  // the image's own health check has a reason, whose hint stands in the list only
  return structural.has(event.event) || (event.event === 'WORKSPACE_DEGRADED' && 'reason' in event.payload);
}

function changeOf(workspace: Workspace, { event, payload }: LiveEvent): Partial<Workspace> {
  const status = statusOf[event];
  const change: Partial<Workspace> = status ? { status, pull: null } : {};
  switch (event) {
    case 'WORKSPACE_PROVISIONING':
      return { ...change, name: asText(payload['name']) || workspace.name };
    case 'WORKSPACE_ONLINE':
      return { ...change, failure: null, ...('agent_card' in payload ? { agentCard: payload['agent_card'] } : {}) };
    case 'WORKSPACE_DEGRADED':
      return { ...change, errorRate: asNumber(payload['error_rate']), lastError: asText(payload['sample_error']) };
    case 'WORKSPACE_PROVISION_FAILED':
      return { ...change, lastError: asText(payload['error']) || workspace.lastError };
    case 'WORKSPACE_PULL_PROGRESS':
      return { pull: { percent: typeof payload['percent'] === 'number' ? payload['percent'] : null, text: asText(payload['text']) } };
    case 'WORKSPACE_PAUSED':
      return { ...change, currentTask: '', activeTasks: 0 };
    case 'WORKSPACE_UPDATED':
      return updated(workspace, payload);
    case 'TASK_UPDATED':
      return { currentTask: asText(payload['current_task']), activeTasks: asNumber(payload['active_tasks']) };
    case 'AGENT_CARD_UPDATED':
      return { agentCard: payload['agent_card'] ?? null };
    default:
      return change;
  }
}

function updated(workspace: Workspace, payload: Record<string, unknown>): Partial<Workspace> {
  const change: Partial<Workspace> = {};
  if (typeof payload['name'] === 'string') change.name = payload['name'] || workspace.name;
  if ('role' in payload) change.role = asText(payload['role']);
  if ('parent_id' in payload) change.parentId = asText(payload['parent_id']) || null;
  if (typeof payload['tier'] === 'number') change.tier = payload['tier'];
  return change;
}

/** Children of a removed workspace move one level up, as the server announces descendants before their root. */
function removeFrom(workspaces: Workspaces, id: string): void {
  const gone = workspaces.get(id);
  if (!gone) return;
  workspaces.delete(id);
  for (const [key, workspace] of workspaces) {
    if (workspace.parentId === id) workspaces.set(key, { ...workspace, parentId: gone.parentId });
  }
}

export class Store {
  private workspaces: Workspaces = new Map();
  private readonly listeners = new Set<() => void>();
  private timer: number | undefined;
  private fetching: Promise<boolean> | null = null;
  private revision = 0; // counts events, to notice those that came while a fetch was under way
  loaded = false;
  problem = ''; // why the last fetch failed; '' when it did not

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private changed(): void {
    for (const listener of [...this.listeners]) listener();
  }

  all(): Workspace[] {
    return [...this.workspaces.values()];
  }

  get(id: string): Workspace | undefined {
    return this.workspaces.get(id);
  }

  clear(): void {
    this.workspaces = new Map();
    this.loaded = false;
    this.problem = '';
    this.changed();
  }

  apply(event: LiveEvent): void {
    this.revision += 1;
    if (applyEvent(this.workspaces, event)) this.refreshSoon();
    this.changed();
  }

  refreshSoon(): void {
    this.timer ??= window.setTimeout(() => {
      this.timer = undefined;
      void this.refresh();
    }, REFRESH_DELAY_MS);
  }

  /** False when the server could not be asked; a refused token is reported by the API itself. */
  async refresh(): Promise<boolean> {
    while (this.fetching) await this.fetching; // its answer may be older than the reason to ask again
    this.fetching = this.fetch();
    const answered = await this.fetching;
    this.fetching = null;
    return answered;
  }

  private async fetch(): Promise<boolean> {
    const revision = this.revision;
    try {
      const rows = await listWorkspaces();
      this.workspaces = new Map(rows.map((row) => [row.id, { ...row, pull: this.pullOf(row) }]));
      this.loaded = true;
      this.problem = '';
      if (revision !== this.revision) this.refreshSoon(); // the answer may be older than an event we had applied
      return true;
    } catch (error) {
      this.problem = error instanceof ApiError ? error.message : 'The list of workspaces could not be read.';
      return false;
    } finally {
      this.changed();
    }
  }

  /** What only events tell outlives a fetch. */
  private pullOf(row: Workspace): Workspace['pull'] {
    return row.status === 'provisioning' ? (this.workspaces.get(row.id)?.pull ?? null) : null;
  }

  /** Shows a workspace before its first event or list has arrived. */
  expect(row: unknown): void {
    const workspace = readWorkspace(row);
    this.revision += 1; // a list asked for before now does not hold it yet
    if (workspace && !this.workspaces.has(workspace.id)) this.workspaces.set(workspace.id, workspace);
    this.changed();
  }
}
