// The live connection `/ws`. It keeps itself open: after a loss it tries again after 1, 2, 4 ... 30 s, at
// once when the computer is back on the network or the page is looked at again.

import { type LiveEvent, readLiveEvent } from './types';
import { token } from './session';

const RETRY_FIRST_MS = 1000;
const RETRY_MAX_MS = 30_000;
const QUIET_MS = 30_000; // server pings are invisible to a page, so silence is answered by asking

export type LiveState = { kind: 'connecting' } | { kind: 'live' } | { kind: 'waiting'; untilMs: number };

export interface LiveCallbacks {
  opened: () => void; // events may have been missed before this moment
  event: (event: LiveEvent) => void;
  lost: () => void;
  /** Nothing came for a while. False: the server does not answer either, so the connection is dead. */
  quiet: () => Promise<boolean>;
  state: (state: LiveState) => void;
}

export class Live {
  private socket: WebSocket | undefined;
  private retryMs = RETRY_FIRST_MS;
  private retryTimer: number | undefined;
  private quietTimer: number | undefined;
  private running = false;

  constructor(private readonly callbacks: LiveCallbacks) {
    window.addEventListener('online', () => this.retryNow());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.retryNow();
    });
  }

  start(): void {
    this.stop();
    this.running = true;
    this.retryMs = RETRY_FIRST_MS;
    this.connect();
  }

  stop(): void {
    this.running = false;
    clearTimeout(this.retryTimer);
    clearTimeout(this.quietTimer);
    this.retryTimer = undefined;
    const socket = this.socket;
    this.socket = undefined; // first, so that its close event is known to be ours
    socket?.close();
  }

  private connect(): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    this.callbacks.state({ kind: 'connecting' });
    const socket = new WebSocket(this.address());
    this.socket = socket;
    socket.addEventListener('open', () => this.opened(socket));
    socket.addEventListener('message', (message) => this.received(socket, message.data));
    socket.addEventListener('close', () => this.closed(socket));
  }

  private address(): string {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const value = token(); // a browser cannot set headers on a WebSocket
    return `${scheme}://${location.host}/ws${value ? `?token=${encodeURIComponent(value)}` : ''}`;
  }

  private opened(socket: WebSocket): void {
    if (socket !== this.socket) return;
    this.retryMs = RETRY_FIRST_MS;
    this.callbacks.state({ kind: 'live' });
    this.callbacks.opened();
    this.watchQuiet(socket);
  }

  private received(socket: WebSocket, data: unknown): void {
    if (socket !== this.socket || typeof data !== 'string') return;
    this.watchQuiet(socket);
    const event = readLiveEvent(data);
    if (event) this.callbacks.event(event);
  }

  private closed(socket: WebSocket): void {
    if (socket !== this.socket || !this.running) return;
    clearTimeout(this.quietTimer);
    this.socket = undefined;
    this.callbacks.state({ kind: 'waiting', untilMs: Date.now() + this.retryMs });
    this.retryTimer = window.setTimeout(() => this.connect(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MAX_MS);
    this.callbacks.lost(); // last: it may end the session, and with it the retry just planned
  }

  retryNow(): void {
    if (this.running && this.retryTimer !== undefined) this.connect();
  }

  private watchQuiet(socket: WebSocket): void {
    clearTimeout(this.quietTimer);
    this.quietTimer = window.setTimeout(() => void this.askQuiet(socket), QUIET_MS);
  }

  private async askQuiet(socket: WebSocket): Promise<void> {
    const alive = await this.callbacks.quiet();
    if (socket !== this.socket) return;
    if (alive) {
      this.watchQuiet(socket);
      return;
    }
    socket.close();
    this.closed(socket); // a dead peer never answers the close, so do not wait for its event
  }
}
