// The main side for one workspace: its head, what is wrong with it, and the tabs Chat, Details and Events.

import { Banner } from './banner';
import { ChatPanel, type Panel } from './chat';
import type { Conversations } from './conversation';
import { DetailsPanel } from './details';
import { h, replace, setAttribute, setText } from './dom';
import { EventsPanel } from './events';
import { icon } from './icons';
import { LifeButtons } from './life';
import { type Tab, addressOf, go, tabs } from './route';
import { statusView } from './status-view';
import type { Store } from './store';
import type { LiveEvent, Workspace } from './types';

const labels: Record<Tab, string> = { chat: 'Chat', details: 'Details', events: 'Events' };

export interface WorkspaceViewCallbacks {
  createBelow: (id: string) => void;
  remove: (workspace: Workspace) => void;
}

export class WorkspaceView {
  readonly element: HTMLElement;
  private readonly title = h('h1', { tabIndex: -1 });
  private readonly status = statusView();
  private readonly role = h('p', { className: 'muted view-role' });
  private readonly task = h('span', { className: 'view-task', hidden: true });
  private readonly banner = new Banner();
  private readonly life: LifeButtons;
  private readonly panelHolder = h('div', { className: 'panel', id: 'panel', attributes: { role: 'tabpanel' } });
  private readonly tabButtons = new Map<Tab, HTMLElement>();
  private readonly timer: number;
  private panel: Panel | null = null;
  private tab: Tab | null = null;

  constructor(
    private workspace: Workspace,
    private readonly store: Store,
    private readonly conversations: Conversations,
    private readonly callbacks: WorkspaceViewCallbacks,
  ) {
    this.life = new LifeButtons(workspace, store);
    this.element = h('section', { className: 'view' }, this.head(), this.banner.element, this.tabList(), this.panelHolder);
    this.timer = window.setInterval(() => this.banner.showElapsed(), 1000);
    this.update(workspace);
  }

  get id(): string {
    return this.workspace.id;
  }

  update(workspace: Workspace): void {
    this.workspace = workspace;
    setText(this.title, workspace.name);
    setText(this.role, workspace.role);
    setText(this.task, workspace.currentTask ? `Working on ${workspace.currentTask}` : '');
    this.task.title = workspace.currentTask;
    this.task.hidden = workspace.currentTask === '';
    this.status.show(workspace.status);
    this.banner.update(workspace);
    this.life.update(workspace);
    this.panel?.update(workspace);
  }

  showTab(tab: Tab): void {
    if (tab === this.tab) return;
    this.tab = tab;
    this.panel?.dispose();
    this.panel = this.newPanel(tab);
    replace(this.panelHolder, this.panel.element);
    setAttribute(this.panelHolder, 'aria-labelledby', `tab-${tab}`);
    for (const [name, button] of this.tabButtons) {
      setAttribute(button, 'aria-selected', name === tab);
      button.tabIndex = name === tab ? 0 : -1;
    }
  }

  receive(event: LiveEvent): void {
    if (this.panel instanceof EventsPanel) this.panel.receive(event);
  }

  /** After a lost connection: what happened meanwhile is read from the server. */
  catchUp(): void {
    if (this.panel instanceof EventsPanel) void this.panel.refresh();
  }

  focus(): void {
    this.title.focus();
  }

  focusMessage(): void {
    this.element.querySelector('textarea')?.focus();
  }

  dispose(): void {
    clearInterval(this.timer);
    this.panel?.dispose();
  }

  private newPanel(tab: Tab): Panel {
    switch (tab) {
      case 'chat':
        return new ChatPanel(this.workspace, this.conversations.of(this.workspace.id));
      case 'details':
        return new DetailsPanel(this.workspace, this.store, () => this.callbacks.remove(this.workspace));
      case 'events':
        return new EventsPanel(this.workspace.id);
    }
  }

  private head(): HTMLElement {
    return h(
      'header',
      { className: 'view-head' },
      h('a', { className: 'icon-button back', href: addressOf(null), attributes: { 'aria-label': 'Back to the list' } }, icon('back')),
      h('div', { className: 'view-title' }, h('div', { className: 'view-line' }, this.title, this.status.element, this.task), this.role),
      h(
        'div',
        { className: 'view-actions' },
        this.life.element,
        h(
          'button',
          {
            type: 'button',
            className: 'button small',
            title: 'New workspace below this one',
            attributes: { 'aria-label': 'Add below' },
            on: { click: () => this.callbacks.createBelow(this.workspace.id) },
          },
          icon('plus'),
          h('span', { className: 'wide-only' }, 'Add below'),
        ),
        h(
          'button',
          {
            type: 'button',
            className: 'icon-button',
            title: 'Delete',
            attributes: { 'aria-label': 'Delete this workspace' },
            on: { click: () => this.callbacks.remove(this.workspace) },
          },
          icon('trash'),
        ),
      ),
    );
  }

  /* ---- tabs: arrows move and select, as in the ARIA pattern with automatic activation ---- */

  private tabList(): HTMLElement {
    const list = h('div', { className: 'tabs', attributes: { role: 'tablist', 'aria-label': 'About this workspace' } });
    for (const tab of tabs) {
      const button = h(
        'button',
        { type: 'button', id: `tab-${tab}`, tabIndex: -1, attributes: { role: 'tab', 'aria-controls': 'panel' } },
        labels[tab],
      );
      button.addEventListener('click', () => go(this.workspace.id, tab));
      this.tabButtons.set(tab, button);
      list.append(button);
    }
    list.addEventListener('keydown', (event) => this.tabKey(event));
    return list;
  }

  private tabKey(event: KeyboardEvent): void {
    const index = tabs.findIndex((tab) => tab === this.tab);
    const targets: Record<string, number> = {
      ArrowRight: (index + 1) % tabs.length,
      ArrowLeft: (index + tabs.length - 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    };
    const tab = tabs[targets[event.key] ?? -1];
    if (!tab) return;
    event.preventDefault();
    go(this.workspace.id, tab);
    this.tabButtons.get(tab)?.focus();
  }
}
