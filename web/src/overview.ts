// The main side when no workspace is chosen: the first step for a newcomer, the state of the house for everybody else.

import { type Child, h, replace } from './dom';
import { brandMark, icon } from './icons';
import { addressOf } from './route';
import { needsAttention, statusRank, statusWords } from './status';
import { statusView } from './status-view';
import type { Store } from './store';
import type { Workspace } from './types';

const TROUBLED_MAX = 20; // shown; the filter of the list finds the others

export class Overview {
  readonly element = h('section', { className: 'overview' });
  private shown = '';

  constructor(
    private readonly store: Store,
    private readonly create: () => void,
    private readonly missing: boolean, // the address names a workspace that does not exist
  ) {
    this.update();
  }

  update(): void {
    const all = this.store.all();
    const now = JSON.stringify([this.store.loaded, this.store.problem, all.map((w) => [w.id, w.name, w.status, w.lastError, w.failure])]);
    if (now === this.shown) return;
    this.shown = now;
    replace(this.element, ...this.parts(all));
  }

  private parts(all: readonly Workspace[]): Child[] {
    if (!this.store.loaded) return [h('p', { className: 'panel-state' }, this.store.problem || 'Loading…')];
    if (all.length === 0) return [this.firstStep()];
    return [
      this.missing ? h('p', { className: 'form-problem', attributes: { role: 'alert' } }, 'This workspace does not exist any more.') : null,
      h('h1', {}, 'Your organisation'),
      summary(all),
      attention(all.filter((workspace) => needsAttention(workspace.status))),
      h('p', { className: 'muted' }, 'Choose a workspace to chat with it, see its events or change it.'),
    ];
  }

  private firstStep(): HTMLElement {
    const step = (title: string, text: string): HTMLElement => h('li', {}, h('strong', {}, title), h('span', {}, text));
    return h(
      'div',
      { className: 'first-step' },
      brandMark(),
      h('h1', {}, 'Create your first workspace'),
      h('p', { className: 'muted' }, 'A workspace is one agent in its own container. Put workspaces below each other and they become a team.'),
      h('button', { type: 'button', className: 'button primary', on: { click: this.create } }, icon('plus'), 'New workspace'),
      h(
        'ol',
        { className: 'steps' },
        step('Name it', 'The echo agent needs no key and no image.'),
        step('Talk to it', 'Its answers are streamed as they are written.'),
        step('Grow a team', 'Add workspaces below it, with your own programs.'),
      ),
    );
  }
}

function summary(all: readonly Workspace[]): HTMLElement {
  const counts = new Map<string, number>();
  for (const { status } of all) counts.set(status, (counts.get(status) ?? 0) + 1);
  const sorted = [...counts].sort(([a], [b]) => statusRank(a) - statusRank(b));
  const tiles = sorted.map(([status, count]) => {
    const view = statusView();
    view.show(status);
    return h('li', { className: 'card tile' }, h('strong', {}, String(count)), view.element);
  });
  return h('ul', { className: 'tiles', attributes: { 'aria-label': 'Workspaces by status' } }, ...tiles);
}

function attention(troubled: readonly Workspace[]): HTMLElement | null {
  if (troubled.length === 0) return null;
  const rest = troubled.length - TROUBLED_MAX;
  const items = troubled.slice(0, TROUBLED_MAX).map((workspace) =>
    h(
      'li',
      { className: 'card' },
      h('a', { href: addressOf(workspace.id) }, workspace.name),
      h('span', { className: 'muted' }, ` ${workspace.failure?.message || workspace.lastError || statusWords(workspace.status).meaning}`),
    ),
  );
  if (rest > 0) items.push(h('li', { className: 'muted' }, `and ${rest} more`));
  return h('div', {}, h('h2', {}, 'Needs attention'), h('ul', { className: 'attention' }, ...items));
}
