// The bar above everything: the product, the state of the live connection, colours, signing out.

import { h, setAttribute, setText } from './dom';
import { brandMark, icon } from './icons';
import type { LiveState } from './live';
import { addressOf } from './route';
import { themeButton } from './theme';

export class TopBar {
  readonly element: HTMLElement;
  private readonly text = h('span', {});
  private readonly connection = h(
    'span',
    { className: 'status connection', attributes: { role: 'status' } },
    h('span', { className: 'dot', attributes: { 'aria-hidden': 'true' } }),
    this.text,
  );
  private readonly retry = h('button', { type: 'button', className: 'button small', hidden: true }, 'Try now');
  private state: LiveState = { kind: 'connecting' };

  constructor(retryNow: () => void, signOut: () => void) {
    this.retry.addEventListener('click', retryNow);
    this.element = h(
      'header',
      { className: 'top-bar' },
      h('a', { className: 'brand', href: addressOf(null) }, brandMark(), h('span', {}, 'workspaced')),
      h('div', { className: 'top-right' }, this.connection, this.retry, themeButton(), signOutButton(signOut)),
    );
    this.showState();
  }

  setState(state: LiveState): void {
    this.state = state;
    this.showState();
  }

  private showState(): void {
    const words = {
      connecting: ['busy', 'Connecting'],
      live: ['good', 'Live'],
      waiting: ['bad', 'Disconnected'],
    } as const;
    const [tone, label] = words[this.state.kind];
    setAttribute(this.connection, 'data-tone', tone);
    setText(this.text, label);
    this.retry.hidden = this.state.kind !== 'waiting';
    this.connection.title = this.state.kind === 'waiting' ? retryTitle(this.state.untilMs) : 'The live connection to the server';
  }
}

function retryTitle(untilMs: number): string {
  return `The live connection is lost. Next try at ${new Date(untilMs).toLocaleTimeString()}`;
}

function signOutButton(signOut: () => void): HTMLElement {
  return h(
    'button',
    {
      type: 'button',
      className: 'icon-button',
      title: 'Sign out',
      attributes: { 'aria-label': 'Sign out' },
      on: { click: signOut },
    },
    icon('out'),
  );
}
