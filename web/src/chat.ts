// The chat with one workspace: its turns and the composer.

import { byteLength } from './browser';
import { type Conversation, type Turn, turnText } from './conversation';
import { h, reconcile, replace, setAttribute, setText } from './dom';
import { icon } from './icons';
import { richText } from './rich-text';
import { statusWords } from './status';
import { timeElement } from './time';
import type { Workspace } from './types';

const MESSAGE_MAX_BYTES = 1_000_000; // the server takes 1 MiB including the envelope
const NEAR_END_PX = 80;

export interface Panel {
  element: HTMLElement;
  update: (workspace: Workspace) => void;
  dispose: () => void;
}

interface TurnView {
  element: HTMLElement;
  bubble: HTMLElement;
  foot: HTMLElement;
  shown: string; // what the bubble shows, to rebuild it only when that changed
}

export class ChatPanel implements Panel {
  readonly element: HTMLElement;
  private readonly log = h('div', { className: 'turns', attributes: { role: 'log', 'aria-label': 'Conversation' } });
  private readonly scroller: HTMLElement;
  private readonly welcome = h('div', { className: 'chat-welcome' });
  private readonly notice = h('p', { className: 'chat-notice', hidden: true });
  private readonly input = h('textarea', { id: 'message', name: 'message', rows: 1 });
  private readonly problem = h('p', { id: 'message-problem', className: 'field-problem', attributes: { role: 'alert' } });
  private readonly sendButton = h(
    'button',
    { type: 'submit', className: 'send-button', title: 'Send', attributes: { 'aria-label': 'Send' } },
    icon('send'),
  );
  private readonly stopButton = h(
    'button',
    { type: 'button', className: 'send-button stop', title: 'Stop', attributes: { 'aria-label': 'Stop the answer' } },
    icon('stop'),
  );
  private readonly views = new Map<Turn, TurnView>();
  private readonly dirty = new Set<Turn>();
  private frame = 0;
  private readonly unsubscribe: () => void;

  constructor(
    private workspace: Workspace,
    private readonly conversation: Conversation,
  ) {
    this.scroller = h('div', { className: 'chat-scroll', tabIndex: 0 }, this.welcome, this.log);
    setAttribute(this.scroller, 'role', 'region');
    setAttribute(this.scroller, 'aria-label', 'Messages of this conversation');
    this.element = h('div', { className: 'chat' }, this.scroller, this.notice, this.composer());
    this.unsubscribe = conversation.subscribe((turn) => this.changed(turn));
    this.update(workspace);
    this.showAll();
    conversation.markRead();
    void conversation.loadHistory();
  }

  update(workspace: Workspace): void {
    this.workspace = workspace;
    const notice = noticeText(workspace.status);
    setText(this.notice, notice);
    this.notice.hidden = notice === '';
    this.input.placeholder = `Message ${workspace.name}`;
    replace(this.welcome, icon('chat'), ...welcomeParts(workspace));
  }

  dispose(): void {
    this.unsubscribe();
    cancelAnimationFrame(this.frame);
  }

  /* ---- composer ---- */

  private composer(): HTMLElement {
    const form = h(
      'form',
      { className: 'composer', noValidate: true },
      h('label', { htmlFor: 'message', className: 'visually-hidden' }, 'Message'),
      h('div', { className: 'composer-box' }, this.input, this.sendButton, this.stopButton),
      this.problem,
      h(
        'p',
        { id: 'message-hint', className: 'field-hint' },
        h('kbd', {}, 'Enter'),
        ' sends, ',
        h('kbd', {}, 'Shift'),
        ' + ',
        h('kbd', {}, 'Enter'),
        ' makes a new line',
      ),
    );
    setAttribute(this.input, 'aria-describedby', 'message-problem message-hint');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.send();
    });
    this.input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return; // composing: it picks a character
      event.preventDefault();
      this.send();
    });
    this.input.addEventListener('input', () => {
      setText(this.problem, '');
      this.fitInput();
    });
    this.stopButton.addEventListener('click', () => {
      void this.conversation.stop();
      this.input.focus();
    });
    return form;
  }

  private fitInput(): void {
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
  }

  private send(): void {
    const text = this.input.value.trim();
    if (text === '' || this.conversation.isRunning) return;
    if (byteLength(text) > MESSAGE_MAX_BYTES) {
      setText(this.problem, 'This message is too long: at most 1 MB.');
      return;
    }
    this.input.value = '';
    this.fitInput();
    void this.conversation.ask(text);
    this.scrollToEnd();
  }

  private showRunning(): void {
    const running = this.conversation.isRunning;
    this.sendButton.hidden = running;
    this.stopButton.hidden = !running;
  }

  /* ---- turns ---- */

  /** Chunks can come faster than the screen is drawn: a turn is drawn once a frame. */
  private changed(turn: Turn | null): void {
    this.showRunning();
    this.conversation.markRead();
    if (turn === null) {
      this.showAll();
      return;
    }
    this.dirty.add(turn);
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      const follow = this.isAtEnd();
      for (const changed of this.dirty) this.showTurn(changed);
      this.dirty.clear();
      if (follow) this.scrollToEnd();
    });
  }

  private showAll(): void {
    const follow = this.isAtEnd();
    const { turns } = this.conversation;
    for (const turn of turns) this.showTurn(turn);
    for (const turn of this.views.keys()) if (!turns.includes(turn)) this.views.delete(turn);
    reconcile(this.log, turns.map((turn) => this.viewOf(turn).element));
    this.welcome.hidden = turns.length > 0;
    this.showRunning();
    if (follow) this.scrollToEnd();
  }

  private viewOf(turn: Turn): TurnView {
    let view = this.views.get(turn);
    if (!view) {
      view = this.newView(turn);
      this.views.set(turn, view);
    }
    return view;
  }

  private newView(turn: Turn): TurnView {
    const who = turn.author === 'you' ? 'You' : this.workspace.name;
    const bubble = h('div', { className: 'bubble' });
    const foot = h('div', { className: 'turn-foot' });
    const element = h(
      'article',
      { className: `turn turn-${turn.author}` },
      h('header', { className: 'turn-head' }, h('strong', {}, who), timeElement(turn.at)),
      bubble,
      foot,
    );
    return { element, bubble, foot, shown: '' };
  }

  private showTurn(turn: Turn): void {
    const view = this.viewOf(turn);
    const text = turnText(turn);
    setAttribute(view.element, 'data-state', turn.state);
    // A screen reader hears an answer once it is whole, not each of its pieces.
    setAttribute(view.element, 'aria-busy', turn.state === 'waiting' || turn.state === 'streaming');
    if (text !== view.shown) replace(view.bubble, ...richText(text));
    view.shown = text;
    view.bubble.hidden = text === '';
    replace(view.foot, ...this.foot(turn));
  }

  private foot(turn: Turn): Node[] {
    switch (turn.state) {
      case 'waiting':
      case 'streaming':
        return [
          h('span', { className: 'typing', attributes: { 'aria-hidden': 'true' } }, h('i', {}), h('i', {}), h('i', {})),
          h('span', {}, turn.progress || (turn.state === 'waiting' ? 'Thinking' : 'Writing')),
        ];
      case 'queued':
        return [h('span', {}, 'Queued: the agent is busy. The answer appears here when it is free.')];
      case 'stopped':
        return [h('span', {}, 'Stopped')];
      case 'failed':
        return this.failedFoot(turn);
      case 'done':
        return [];
    }
  }

  private failedFoot(turn: Turn): Node[] {
    const problem = h('span', { className: 'turn-problem' }, icon('warning'), turn.problem);
    if (!turn.question) return [problem];
    const retry = (): void => void this.conversation.retry(turn);
    return [problem, h('button', { type: 'button', className: 'button small', on: { click: retry } }, 'Try again')];
  }

  private isAtEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  private scrollToEnd(): void {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

/** What a person should know before writing. The banner above says it for a start that goes on or has failed. */
function noticeText(status: string): string {
  if (['online', 'degraded', 'provisioning', 'failed'].includes(status)) return '';
  if (status === 'hibernated') return 'Asleep: your message wakes it.';
  const words = statusWords(status);
  return `${words.label}. ${words.meaning}`;
}

function welcomeParts({ name, status }: Workspace): Node[] {
  const parts = (title: string, text: string): Node[] => [h('p', {}, title), h('p', { className: 'muted' }, text)];
  if (status === 'failed') return parts(`${name} is not running.`, 'The reason stands above. Events tell what happened before.');
  if (status === 'provisioning') return parts(`${name} is starting.`, 'It answers as soon as it is online.');
  return parts(`Say something to ${name}.`, 'Answers arrive while they are being written.');
}
