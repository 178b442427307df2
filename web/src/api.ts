// The server's HTTP interface. Every call carries the token; every failure is an ApiError whose message
// is a sentence a person can read.

import { wait } from './browser';
import { token } from './session';
import { type EventRow, type Workspace, asList, asText, isRecord, readEventRow, readWorkspace } from './types';

const RETRY_AFTER_MAX_S = 20; // a limited GET is tried once more, but nobody waits longer than this

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number, // 0: no answer at all
    readonly body: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

export interface NewWorkspace {
  name: string;
  role?: string;
  parent_id?: string;
  image?: string;
  executor?: string;
  command?: string;
  tier?: number;
}

export interface Child {
  id: string;
  name: string;
}

export type RemoveAnswer =
  | { kind: 'removed'; cascaded: number; cleanupPending: boolean }
  | { kind: 'confirm'; children: Child[] };

let onUnauthorized: () => void = () => {};

/** Called when the server refuses the token; set once at start. */
export function whenUnauthorized(callback: () => void): void {
  onUnauthorized = callback;
}

export function authorization(): Record<string, string> {
  const value = token();
  return value ? { Authorization: `Bearer ${value}` } : {};
}

export async function send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { ...authorization(), ...(init.headers as Record<string, string> | undefined) };
  try {
    return await fetch(path, { cache: 'no-store', ...init, method, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError('The server cannot be reached.', 0);
  }
}

/** The error a non-2xx answer stands for. */
export async function failure(response: Response): Promise<ApiError> {
  const body = await readJson(response);
  const record = isRecord(body) ? body : {};
  return new ApiError(errorText(record) || statusText(response), response.status, record);
}

function errorText(body: Record<string, unknown>): string {
  const error = body['error'];
  if (isRecord(error)) return asText(error['message']); // an agent's JSON-RPC error passed through
  return asText(error) || asText(body['message']);
}

function statusText(response: Response): string {
  return `The server answered ${response.status} ${response.statusText}`.trimEnd() + '.';
}

export async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

async function call(method: string, path: string, body?: unknown): Promise<unknown> {
  const init: RequestInit =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
  let response = await send(method, path, init);
  if (response.status === 429 && method === 'GET') {
    await wait(Math.min(Number(response.headers.get('Retry-After')) || 2, RETRY_AFTER_MAX_S) * 1000);
    response = await send(method, path, init);
  }
  if (response.status === 401) onUnauthorized();
  if (!response.ok) throw await failure(response);
  return readJson(response);
}

function workspacePath(id: string): string {
  return `/workspaces/${encodeURIComponent(id)}`;
}

export async function listWorkspaces(): Promise<Workspace[]> {
  const rows = asList(await call('GET', '/workspaces'));
  return rows.map(readWorkspace).filter((row) => row !== null);
}

export async function createWorkspace(wish: NewWorkspace): Promise<string> {
  const answer = await call('POST', '/workspaces', wish);
  return isRecord(answer) ? asText(answer['id']) : '';
}

export async function updateWorkspace(id: string, change: { name?: string; role?: string | null }): Promise<void> {
  await call('PATCH', workspacePath(id), change);
}

/** Without `confirm` the server refuses (and changes nothing) when the workspace has children. */
export async function removeWorkspace(id: string, confirm: boolean): Promise<RemoveAnswer> {
  try {
    const answer = await call('DELETE', workspacePath(id) + (confirm ? '?confirm=true' : ''));
    const body = isRecord(answer) ? answer : {};
    return {
      kind: 'removed',
      cascaded: Number(body['cascade_deleted']) || 0,
      cleanupPending: body['cleanup'] === 'pending',
    };
  } catch (error) {
    if (!(error instanceof ApiError) || error.body['status'] !== 'confirmation_required') throw error;
    const children = asList(error.body['children']).filter(isRecord);
    return { kind: 'confirm', children: children.map((c) => ({ id: asText(c['id']), name: asText(c['name']) })) };
  }
}

/** The newest 100 recorded events of a workspace, newest first. */
export async function listEvents(id: string): Promise<EventRow[]> {
  const rows = asList(await call('GET', `/events/${encodeURIComponent(id)}`));
  return rows.map(readEventRow).filter((row) => row !== null);
}

/** Earlier conversation with a workspace, newest first. A server that keeps no activity answers 404: no history. */
export async function listChatActivity(id: string): Promise<Record<string, unknown>[]> {
  try {
    return asList(await call('GET', `${workspacePath(id)}/activity?type=a2a_receive&source=canvas&limit=50`)).filter(
      isRecord,
    );
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
}

export type LifeVerb = 'restart' | 'pause' | 'resume' | 'hibernate';

export async function changeLife(id: string, verb: LifeVerb): Promise<Record<string, unknown>> {
  const answer = await call('POST', `${workspacePath(id)}/${verb}`, {});
  return isRecord(answer) ? answer : {};
}

/** The last lines that its container printed; also of one that is gone. */
export async function readLog(id: string, lines: number): Promise<string> {
  const response = await send('GET', `${workspacePath(id)}/logs?lines=${lines}`);
  if (!response.ok) throw await failure(response);
  return response.text();
}

export function agentPath(id: string): string {
  return `${workspacePath(id)}/a2a`;
}
