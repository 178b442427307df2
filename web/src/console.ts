// The page of somebody who is signed in: top bar, organisation, and the chosen workspace, kept up to date
// from the store, the live connection and the address.

import { Conversations } from './conversation';
import { openCreateDialog } from './create';
import { append, h, replace, setAttribute } from './dom';
import { Live } from './live';
import { Overview } from './overview';
import { openRemoveDialog } from './remove';
import { type Route, currentRoute, go } from './route';
import { Sidebar } from './sidebar';
import { statusWords } from './status';
import type { Store } from './store';
import { announce, toast } from './toast';
import { TopBar } from './top-bar';
import { type LiveEvent, asText } from './types';
import { WorkspaceView } from './workspace-view';

export class Console {
  readonly element = h('div', { className: 'console' });
  private readonly conversations = new Conversations();
  private readonly main = h('main', { id: 'main', tabIndex: -1 });
  private readonly sidebar: Sidebar;
  private readonly topBar: TopBar;
  private readonly live: Live;
  private view: WorkspaceView | null = null;
  private overview: Overview | null = null;
  private frame = 0;

  constructor(
    private readonly store: Store,
    signOut: () => void,
  ) {
    this.live = new Live({
      opened: () => this.catchUp(),
      event: (event) => this.receive(event),
      lost: () => void this.store.refresh(), // tells a refused token from a server that is away
      quiet: () => this.store.refresh(),
      state: (state) => this.topBar.setState(state),
    });
    this.topBar = new TopBar(() => this.live.retryNow(), signOut);
    this.sidebar = new Sidebar(store, {
      select: (id) => this.choose(id),
      create: () => this.create(null),
      unread: (id) => this.conversations.unread(id),
    });
    append(this.element, [skipLink(), this.topBar.element, this.sidebar.element, this.main]);
    store.subscribe(() => this.updateSoon());
    this.conversations.subscribe(() => this.updateSoon());
    window.addEventListener('hashchange', () => this.navigate());
  }

  start(): void {
    this.live.start();
    this.navigate();
  }

  stop(): void {
    this.live.stop();
    this.conversations.clear();
    this.dropMain();
  }

  /* ---- live ---- */

  private catchUp(): void {
    void this.store.refresh();
    this.view?.catchUp();
    this.conversations.recover();
  }

  private receive(event: LiveEvent): void {
    const before = this.store.get(event.workspaceId);
    this.store.apply(event);
    this.report(event, before?.status);
    if (event.event === 'AGENT_MESSAGE') {
      this.conversations.of(event.workspaceId).receiveMessage(asText(event.payload['message']), event.timestamp);
    }
    if (event.event === 'A2A_RESPONSE') {
      this.conversations.of(event.workspaceId).receiveResponse(event.payload['response_body'], event.timestamp);
    }
    if (event.event === 'ACTIVITY_LOGGED') this.conversations.recover(event.workspaceId);
    if (event.workspaceId === this.view?.id) this.view.receive(event);
  }

  private report(event: LiveEvent, formerStatus: string | undefined): void {
    const workspace = this.store.get(event.workspaceId);
    if (!workspace || workspace.status === formerStatus) return;
    const isShown = this.view?.id === workspace.id; // then its banner tells, with the reason
    if (event.event === 'WORKSPACE_PROVISION_FAILED' && !isShown) toast(`“${workspace.name}” could not be started.`, 'error');
    else announce(`${workspace.name}: ${statusWords(workspace.status).label}`);
  }

  /* ---- showing ---- */

  /** Events can come faster than the screen is drawn. */
  private updateSoon(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.update();
    });
  }

  private update(): void {
    if (!this.element.isConnected) return; // the sign-in panel is shown
    this.sidebar.update();
    const route = currentRoute();
    const workspace = route.id === null ? undefined : this.store.get(route.id);
    if (workspace && this.view?.id === workspace.id) this.view.update(workspace);
    else if (workspace || this.view || !this.overview) this.showRoute(route);
    else this.overview.update();
  }

  private navigate(): void {
    if (!this.element.isConnected) return;
    this.showRoute(currentRoute());
  }

  private showRoute(route: Route): void {
    const workspace = route.id === null ? undefined : this.store.get(route.id);
    this.sidebar.select(workspace?.id ?? null);
    setAttribute(this.element, 'data-chosen', workspace ? '' : null);
    document.title = workspace ? `${workspace.name} · workspaced` : 'workspaced';
    if (!workspace) {
      this.showOverview(route.id !== null);
      return;
    }
    if (this.view?.id !== workspace.id) {
      this.dropMain();
      this.view = new WorkspaceView(workspace, this.store, this.conversations, {
        createBelow: (id) => this.create(id),
        remove: (gone) => openRemoveDialog(this.store, gone),
      });
      replace(this.main, this.view.element);
    }
    this.view.showTab(route.tab);
  }

  private showOverview(missing: boolean): void {
    this.dropMain();
    this.overview = new Overview(this.store, () => this.create(null), missing);
    replace(this.main, this.overview.element);
  }

  private dropMain(): void {
    this.view?.dispose();
    this.view = null;
    this.overview = null;
    this.main.replaceChildren();
  }

  private create(parentId: string | null): void {
    openCreateDialog(this.store, parentId, (id) => {
      go(id);
      this.view?.focusMessage();
    });
  }

  /** On a narrow screen the list makes room for the workspace, so the focus must follow there. */
  private choose(id: string): void {
    go(id, this.view ? currentRoute().tab : 'chat');
    if (window.matchMedia('(max-width: 760px)').matches) this.view?.focus();
  }
}

/** A button, not a link: the address' fragment belongs to the route. */
function skipLink(): HTMLElement {
  const skip = (): void => document.getElementById('main')?.focus();
  return h('button', { type: 'button', className: 'skip-link', on: { click: skip } }, 'Skip to the main part');
}
