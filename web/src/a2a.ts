// The agent protocol (A2A over JSON-RPC), as far as a conversation needs it: what is sent, and what each
// kind of result means for the answer that is being shown.

import { asList, asText, isRecord } from './types';

export type Update =
  | { kind: 'ids'; taskId: string; contextId: string }
  | { kind: 'text'; key: string; text: string; append: boolean }
  | { kind: 'progress'; text: string }
  | { kind: 'end'; outcome: Outcome; text: string };

export type Outcome = 'done' | 'failed' | 'stopped';

/** The agent does not know this method, or cannot stream: ask it again without streaming. */
const NO_STREAMING_CODES: readonly unknown[] = [-32601, -32004];

const endStates: Record<string, Outcome> = {
  completed: 'done',
  failed: 'failed',
  rejected: 'failed',
  canceled: 'stopped',
  'input-required': 'done',
  'auth-required': 'done',
};

export class AgentError extends Error {
  constructor(
    message: string,
    readonly cannotStream: boolean,
  ) {
    super(message);
  }
}

export function messageRequest(method: string, id: string, text: string, messageId: string, contextId: string): object {
  const message = { kind: 'message', role: 'user', parts: [{ kind: 'text', text }], messageId };
  return { jsonrpc: '2.0', id, method, params: { message: contextId ? { ...message, contextId } : message } };
}

export function cancelRequest(id: string, taskId: string): object {
  return { jsonrpc: '2.0', id, method: 'tasks/cancel', params: { id: taskId } };
}

/** The result of a JSON-RPC answer; its error becomes an exception. */
export function unwrap(envelope: unknown): unknown {
  if (!isRecord(envelope)) throw new AgentError('The agent answered something that is no JSON-RPC answer.', false);
  const error = envelope['error'];
  if (error === undefined || error === null) return envelope['result'];
  if (!isRecord(error)) throw new AgentError(asText(error) || 'The agent answered with an error.', false);
  const text = asText(error['message']) || 'The agent answered with an error.';
  throw new AgentError(text, NO_STREAMING_CODES.includes(error['code']));
}

/** Text of message or artifact parts. Older agents say `type` where the current protocol says `kind`. */
export function partsText(parts: unknown): string {
  return asList(parts)
    .filter(isRecord)
    .map((part) => {
      const kind = asText(part['kind']) || asText(part['type']);
      if (kind === 'file') return `[file: ${fileName(part['file'])}]`;
      if (kind === 'data') return JSON.stringify(part['data'] ?? null, null, 2);
      return asText(part['text']);
    })
    .join('');
}

function fileName(file: unknown): string {
  return isRecord(file) ? asText(file['name']) || asText(file['uri']) || 'unnamed' : 'unnamed';
}

export function updatesOf(result: unknown): Update[] {
  if (typeof result === 'string') return [{ kind: 'end', outcome: 'done', text: result }];
  if (!isRecord(result)) return [{ kind: 'end', outcome: 'done', text: '' }];
  switch (kindOf(result)) {
    case 'message':
      return [ids(result, ''), { kind: 'end', outcome: 'done', text: partsText(result['parts']) }];
    case 'task':
      return [ids(result, asText(result['id'])), ...artifactsOf(result), ...statusOf(result, false)];
    case 'artifact-update':
      return [ids(result, asText(result['taskId'])), ...artifactOf(result['artifact'], result['append'] === true)];
    case 'status-update':
      return [ids(result, asText(result['taskId'])), ...statusOf(result, result['final'] === true)];
    default:
      return [];
  }
}

function kindOf(result: Record<string, unknown>): string {
  const kind = asText(result['kind']);
  if (kind) return kind;
  if ('artifact' in result) return 'artifact-update';
  if ('status' in result) return 'id' in result ? 'task' : 'status-update';
  return 'parts' in result ? 'message' : '';
}

function ids(result: Record<string, unknown>, taskId: string): Update {
  return { kind: 'ids', taskId, contextId: asText(result['contextId']) };
}

function artifactsOf(task: Record<string, unknown>): Update[] {
  return asList(task['artifacts']).flatMap((artifact) => artifactOf(artifact, false));
}

function artifactOf(artifact: unknown, append: boolean): Update[] {
  if (!isRecord(artifact)) return [];
  return [{ kind: 'text', key: asText(artifact['artifactId']), text: partsText(artifact['parts']), append }];
}

function statusOf(result: Record<string, unknown>, final: boolean): Update[] {
  const status = isRecord(result['status']) ? result['status'] : {};
  const text = isRecord(status['message']) ? partsText(status['message']['parts']) : '';
  const outcome = endStates[asText(status['state'])];
  if (outcome) return [{ kind: 'end', outcome, text }];
  if (final) return [{ kind: 'end', outcome: 'done', text }];
  return text ? [{ kind: 'progress', text }] : [];
}
