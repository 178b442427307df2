// One conversation with one workspace: its turns, and the answer that is being received. It lives apart
// from any view, so an answer goes on arriving while another workspace is looked at.

import { AgentError, type Update, cancelRequest, messageRequest, partsText, unwrap, updatesOf } from './a2a';
import { ApiError, agentPath, failure, listChatActivity, readJson, send } from './api';
import { newId, wait } from './browser';
import { readEventStream } from './sse';
import { asText, isRecord } from './types';

const CANCEL_PATIENCE_MS = 2000; // how long a cancelled agent may take to end its stream itself
const ECHO_WINDOW_MS = 15_000; // within it an A2A_RESPONSE with the same text is the answer we just streamed

export type TurnState = 'waiting' | 'streaming' | 'done' | 'stopped' | 'queued' | 'failed';

export interface Turn {
  readonly id: string;
  readonly author: 'you' | 'agent';
  readonly at: string;
  readonly question: string; // of an agent's turn: what it answers, for trying again
  readonly messageId: string; // and the id it was sent under, by which the server's record is known
  readonly texts: Map<string, string>; // by artifact, in order of arrival
  state: TurnState;
  progress: string;
  problem: string;
  isCut: boolean; // failed because the connection did: the agent may have gone on
  endedMs: number;
}

export type ConversationListener = (turn: Turn | null) => void; // null: everything may have changed

export function turnText(turn: Turn): string {
  return [...turn.texts.values()].filter((text) => text !== '').join('\n\n');
}

function newTurn(author: 'you' | 'agent', text: string, at: string, state: TurnState, question = '', messageId = ''): Turn {
  const texts = new Map(text ? [['', text]] : []);
  const id = newId();
  return { id, author, at, question, messageId, texts, state, progress: '', problem: '', isCut: false, endedMs: Date.now() };
}

function now(): string {
  return new Date().toISOString();
}

export class Conversation {
  readonly turns: Turn[] = [];
  unread = 0;
  private readonly listeners = new Set<ConversationListener>();
  private contextId = '';
  private taskId = '';
  private running: { turn: Turn; abort: AbortController } | null = null;
  private history: Promise<void> | null = null;

  constructor(
    readonly workspaceId: string,
    private readonly changedUnread: () => void,
  ) {}

  subscribe(listener: ConversationListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private changed(turn: Turn | null): void {
    for (const listener of [...this.listeners]) listener(turn);
  }

  get isRunning(): boolean {
    return this.running !== null;
  }

  markRead(): void {
    if (this.unread === 0) return;
    this.unread = 0;
    this.changedUnread();
  }

  private add(turn: Turn): Turn {
    this.turns.push(turn);
    this.changed(null);
    return turn;
  }

  /* ---- what was said before this page was opened ---- */

  loadHistory(): Promise<void> {
    this.history ??= this.readHistory().catch(() => {
      this.history = null; // a failed read is tried again when the chat is next opened
    });
    return this.history;
  }

  private async readHistory(): Promise<void> {
    const rows = await listChatActivity(this.workspaceId);
    const first = this.turns[0]; // said or received meanwhile; what is newer would be shown twice
    const earlier = first ? rows.filter((row) => Date.parse(asText(row['created_at'])) < Date.parse(first.at)) : rows;
    this.turns.unshift(...earlier.reverse().flatMap((row) => this.historyTurns(row)));
    this.changed(null);
  }

  private historyTurns(row: Record<string, unknown>): Turn[] {
    const at = asText(row['created_at']);
    const message = messageOf(row['request_body']);
    const question = partsText(message['parts']);
    this.contextId = asText(message['contextId']) || this.contextId; // the conversation goes on
    const turns = question ? [newTurn('you', question, at, 'done')] : [];

    const answer = newTurn('agent', '', at, 'done', question);
    this.applyBody(answer, row['response_body']);
    if (row['status'] === 'queued') answer.state = 'queued';
    if (row['status'] === 'error') {
      answer.state = 'failed';
      answer.problem ||= asText(row['error_detail']) || 'The agent did not answer.';
    }
    if (turnText(answer) || answer.state !== 'done') turns.push(answer);
    return turns;
  }

  private applyBody(turn: Turn, body: unknown): void {
    if (body === null || body === undefined) return;
    try {
      for (const update of updatesOf(unwrap(body))) this.apply(turn, update);
    } catch (error) {
      turn.state = 'failed';
      turn.problem = error instanceof Error ? error.message : '';
    }
  }

  /* ---- asking ---- */

  async ask(text: string): Promise<void> {
    if (this.running) return;
    this.add(newTurn('you', text, now(), 'done'));
    await this.answer(text);
  }

  /** Asks the same again after a failure; the failed answer makes room. */
  async retry(failed: Turn): Promise<void> {
    if (this.running) return;
    const index = this.turns.indexOf(failed);
    if (index >= 0) this.turns.splice(index, 1);
    await this.answer(failed.question);
  }

  private async answer(question: string): Promise<void> {
    const turn = newTurn('agent', '', now(), 'waiting', question, newId());
    const abort = new AbortController();
    this.running = { turn, abort };
    this.taskId = '';
    this.add(turn);
    try {
      await this.exchange(turn, abort.signal);
    } catch (error) {
      if (abort.signal.aborted) turn.state = 'stopped';
      else this.fail(turn, error);
    } finally {
      this.running = null;
      turn.progress = '';
      turn.endedMs = Date.now();
      this.changed(turn);
    }
  }

  private fail(turn: Turn, error: unknown): void {
    turn.state = 'failed';
    const isAnswer = error instanceof AgentError || (error instanceof ApiError && error.status > 0);
    turn.isCut = !isAnswer;
    turn.problem = isAnswer || error instanceof ApiError ? error.message : 'The connection was lost before the answer was complete.';
  }

  /** Streams the answer; an agent that cannot stream is asked again for a whole one. */
  private async exchange(turn: Turn, signal: AbortSignal): Promise<void> {
    try {
      await this.request('message/stream', turn, signal);
    } catch (error) {
      if (!(error instanceof AgentError) || !error.cannotStream || signal.aborted) throw error;
      await this.request('message/send', turn, signal); // under the same id: it is one message
    }
  }

  private async request(method: string, turn: Turn, signal: AbortSignal): Promise<void> {
    const response = await send('POST', agentPath(this.workspaceId), {
      body: JSON.stringify(messageRequest(method, newId(), turn.question, turn.messageId, this.contextId)),
      headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream, application/json' },
      signal,
    });
    if (!response.ok) throw await agentFailure(response);
    const type = response.headers.get('Content-Type') ?? '';
    if (type.startsWith('text/event-stream') && response.body) await this.readStream(turn, response.body);
    else this.readWhole(turn, response.status, await readJson(response));
  }

  private async readStream(turn: Turn, body: ReadableStream<Uint8Array>): Promise<void> {
    for await (const data of readEventStream(body)) {
      for (const update of updatesOf(unwrap(parse(data)))) this.apply(turn, update);
      this.changed(turn);
      if (isSettled(turn)) return;
    }
    throw new Error('the stream ended without an end'); // shown as a lost connection
  }

  private readWhole(turn: Turn, status: number, body: unknown): void {
    if (status === 202 && isRecord(body) && body['queued'] === true) {
      turn.state = 'queued';
      return;
    }
    for (const update of updatesOf(unwrap(body))) this.apply(turn, update);
    if (!isSettled(turn)) turn.state = 'done';
  }

  private apply(turn: Turn, update: Update): void {
    switch (update.kind) {
      case 'ids':
        this.remember(turn, update.taskId, update.contextId);
        return;
      case 'text':
        turn.texts.set(update.key, (update.append ? (turn.texts.get(update.key) ?? '') : '') + update.text);
        if (turn.state === 'waiting') turn.state = 'streaming';
        return;
      case 'progress':
        turn.progress = update.text;
        return;
      case 'end':
        this.end(turn, update.outcome, update.text);
    }
  }

  private remember(turn: Turn, taskId: string, contextId: string): void {
    if (contextId) this.contextId = contextId;
    if (taskId && turn === this.running?.turn) this.taskId = taskId;
  }

  private end(turn: Turn, outcome: 'done' | 'failed' | 'stopped', text: string): void {
    turn.state = outcome;
    if (outcome === 'failed') turn.problem = text || 'The agent could not finish this task.';
    else if (text && !turnText(turn)) turn.texts.set('', text); // otherwise it only repeats the artifacts
  }

  /* ---- stopping ---- */

  async stop(): Promise<void> {
    const running = this.running;
    if (!running) return;
    if (this.taskId) {
      await Promise.race([this.cancelTask(this.taskId), wait(CANCEL_PATIENCE_MS)]);
      if (this.running === running) await wait(200); // the agent's last event, when it is already on its way
    }
    if (this.running === running) running.abort.abort();
  }

  private async cancelTask(taskId: string): Promise<void> {
    try {
      await send('POST', agentPath(this.workspaceId), {
        body: JSON.stringify(cancelRequest(newId(), taskId)),
        headers: { 'Content-Type': 'application/json' },
      });
    } catch {
      // The answer is hung up on in any case.
    }
  }

  /* ---- what arrives by itself ---- */

  /** A message the agent sends on its own. */
  receiveMessage(text: string, at: string): void {
    if (!text) return;
    this.notice();
    this.add(newTurn('agent', text, at, 'done'));
  }

  /** An answer announced on the live connection: of a queued message, or to somebody else's question. */
  receiveResponse(body: unknown, at: string): void {
    if (this.running) return; // it announces what is being received here
    if (this.cutTurns().length > 0) return; // `recover` tells whether it completes one of them
    const answer = newTurn('agent', '', at, 'done');
    this.applyBody(answer, body);
    const text = turnText(answer);
    if ((!text && answer.state !== 'failed') || this.justShown(text)) return;

    this.notice();
    const queued = this.turns.find((turn) => turn.state === 'queued');
    if (queued) {
      queued.state = answer.state;
      queued.problem = answer.problem;
      queued.texts.set('', text);
      this.changed(queued);
    } else {
      this.add(answer);
    }
  }

  private cutTurns(): Turn[] {
    return this.turns.filter((turn) => turn.isCut);
  }

  /** An answer that broke off may have been finished since: the agent goes on when nobody listens. */
  async recover(): Promise<void> {
    if (this.cutTurns().length === 0) return;
    try {
      for (const row of await listChatActivity(this.workspaceId)) this.complete(row);
    } catch {
      // They stay as they are, with the offer to try again.
    }
  }

  private complete(row: Record<string, unknown>): void {
    const id = asText(messageOf(row['request_body'])['messageId']);
    const turn = this.cutTurns().find((cut) => cut.messageId === id);
    if (!turn || row['status'] !== 'ok') return;
    turn.texts.clear();
    turn.state = 'done';
    turn.isCut = false;
    turn.problem = '';
    this.applyBody(turn, row['response_body']);
    this.changed(turn);
  }

  private justShown(text: string): boolean {
    const last = this.turns.findLast((turn) => turn.author === 'agent' && turn.state !== 'queued');
    return last !== undefined && turnText(last) === text && Date.now() - last.endedMs < ECHO_WINDOW_MS;
  }

  /** Before the turn is shown: a view that is open marks it as read when it shows it. */
  private notice(): void {
    this.unread += 1;
    this.changedUnread();
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw new AgentError('The agent sent an event that is no JSON.', false);
  }
}

function isSettled(turn: Turn): boolean {
  return turn.state !== 'waiting' && turn.state !== 'streaming';
}

/** The message in a recorded request; empty when there is none. */
function messageOf(request: unknown): Record<string, unknown> {
  const params = isRecord(request) ? request['params'] : null;
  const message = isRecord(params) ? params['message'] : null;
  return isRecord(message) ? message : {};
}

/** Adds what the person can do about it to the reasons the message path knows. */
async function agentFailure(response: Response): Promise<Error> {
  const error = await failure(response);
  const detail = error.body['error'];
  if (isRecord(detail)) {
    try {
      unwrap({ error: detail });
    } catch (rpc) {
      return rpc as Error; // keeps the JSON-RPC code, which may mean "cannot stream"
    }
  }
  const hint = error.body['restarting'] === true ? ' The agent is being restarted; try again in a moment.' : '';
  return hint ? new ApiError(error.message + hint, error.status, error.body) : error;
}

/** The conversations of all workspaces, made when first asked for. */
export class Conversations {
  private readonly byWorkspace = new Map<string, Conversation>();
  private readonly listeners = new Set<() => void>();

  /** Tells when the number of unread messages of some workspace has changed. */
  subscribe(listener: () => void): void {
    this.listeners.add(listener);
  }

  of(workspaceId: string): Conversation {
    let conversation = this.byWorkspace.get(workspaceId);
    if (!conversation) {
      conversation = new Conversation(workspaceId, () => {
        for (const listener of this.listeners) listener();
      });
      this.byWorkspace.set(workspaceId, conversation);
    }
    return conversation;
  }

  /** After a lost connection (all), and when the server has recorded something (one). */
  recover(workspaceId?: string): void {
    for (const [id, conversation] of this.byWorkspace) {
      if (workspaceId === undefined || id === workspaceId) void conversation.recover();
    }
  }

  unread(workspaceId: string): number {
    return this.byWorkspace.get(workspaceId)?.unread ?? 0;
  }

  /** Another person may sign in: nothing of this one's conversations stays. */
  clear(): void {
    for (const conversation of this.byWorkspace.values()) void conversation.stop();
    this.byWorkspace.clear();
  }
}
