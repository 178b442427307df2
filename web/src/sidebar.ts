// The left side: the organisation with its filter, the choice between tree and list, and "New".

import { keep, kept } from './browser';
import { h, replace, setAttribute, setText, uniqueId } from './dom';
import { type View, listRows, treeRows } from './hierarchy';
import { icon } from './icons';
import { statusWords } from './status';
import type { Store } from './store';
import { Tree } from './tree';
import type { Workspace } from './types';

const MODE_KEY = 'workspaced.view';
const COLLAPSED_KEY = 'workspaced.collapsed';

type Mode = 'tree' | 'list';

export interface SidebarCallbacks {
  select: (id: string) => void;
  create: () => void;
  unread: (id: string) => number;
}

export class Sidebar {
  readonly element: HTMLElement;
  private readonly tree: Tree;
  private readonly count = h('span', { className: 'count' });
  private readonly found = h('p', { className: 'found', attributes: { role: 'status' } });
  private readonly filter = h('input', {
    type: 'search',
    name: 'filter',
    placeholder: 'Filter',
    autocomplete: 'off',
    spellcheck: false,
  });
  private readonly toolsPart: HTMLElement;
  private readonly collapsed = readCollapsed();
  private mode: Mode = kept(MODE_KEY) === 'list' ? 'list' : 'tree';
  private selected: string | null = null;

  constructor(
    private readonly store: Store,
    private readonly callbacks: SidebarCallbacks,
  ) {
    this.tree = new Tree({
      select: callbacks.select,
      setCollapsed: (id, collapsed) => this.setCollapsed(id, collapsed),
    });
    this.filter.addEventListener('input', () => this.update());
    this.filter.addEventListener('keydown', (event) => this.filterKey(event));
    this.toolsPart = this.tools();
    this.element = h(
      'nav',
      { className: 'sidebar', id: 'sidebar', attributes: { 'aria-label': 'Workspaces' } },
      this.head(),
      this.toolsPart,
      this.found,
      h('div', { className: 'tree-scroll' }, this.tree.element),
    );
  }

  select(id: string | null): void {
    this.selected = id;
    if (id !== null) this.reveal(id);
    this.update();
  }

  focus(): void {
    this.tree.focus();
  }

  update(): void {
    const all = this.store.all();
    const filter = this.filter.value.trim().toLowerCase();
    const view: View = { filter, collapsed: this.collapsed, label: (status) => statusWords(status).label };
    const rows = this.mode === 'tree' ? treeRows(all, view) : listRows(all, view);
    this.tree.update({ rows, selected: this.selected, mode: this.mode, unread: this.callbacks.unread });
    setText(this.count, all.length > 0 ? String(all.length) : '');
    this.showFound(filter, rows.filter((row) => row.matches).length, all.length);
    this.tree.element.hidden = rows.length === 0; // an empty tree is no tree
    this.toolsPart.hidden = all.length === 0;
  }

  private showFound(filter: string, matching: number, total: number): void {
    setText(this.found, filter ? `${matching === 0 ? 'Nothing' : matching} of ${total} matches “${filter}”` : '');
    this.found.hidden = !filter;
  }

  private head(): HTMLElement {
    const create = h(
      'button',
      { type: 'button', className: 'button primary small', on: { click: this.callbacks.create } },
      icon('plus'),
      'New',
      h('span', { className: 'visually-hidden' }, ' workspace'),
    );
    return h('div', { className: 'sidebar-head' }, h('h2', {}, 'Workspaces ', this.count), create);
  }

  private tools(): HTMLElement {
    this.filter.id = uniqueId('filter');
    return h(
      'div',
      { className: 'sidebar-tools' },
      h(
        'div',
        { className: 'search' },
        icon('search'),
        h('label', { htmlFor: this.filter.id, className: 'visually-hidden' }, 'Filter by name, role or status'),
        this.filter,
      ),
      this.modeChoice(),
    );
  }

  private modeChoice(): HTMLElement {
    const group = h('div', { className: 'segments', attributes: { role: 'group', 'aria-label': 'Show as' } });
    const button = (mode: Mode, label: string): HTMLButtonElement => {
      const element = h('button', { type: 'button', title: label }, icon(mode), h('span', { className: 'visually-hidden' }, label));
      element.addEventListener('click', () => {
        this.mode = mode;
        keep(MODE_KEY, mode);
        show();
        this.update();
      });
      return element;
    };
    const buttons: [Mode, HTMLButtonElement][] = [
      ['tree', button('tree', 'Tree')],
      ['list', button('list', 'List')],
    ];
    const show = (): void => {
      for (const [mode, element] of buttons) setAttribute(element, 'aria-pressed', mode === this.mode);
    };
    show();
    replace(group, ...buttons.map(([, element]) => element));
    return group;
  }

  private filterKey(event: KeyboardEvent): void {
    if (event.key === 'ArrowDown') {
      event.preventDefault();
      this.tree.focus();
    } else if (event.key === 'Escape' && this.filter.value) {
      event.preventDefault();
      this.filter.value = '';
      this.update();
    }
  }

  private setCollapsed(id: string, collapsed: boolean): void {
    if (collapsed) this.collapsed.add(id);
    else this.collapsed.delete(id);
    this.keepCollapsed();
    this.update();
  }

  /** Only ids that still exist are kept, so the stored list cannot grow for ever. */
  private keepCollapsed(): void {
    const known = [...this.collapsed].filter((id) => this.store.get(id) !== undefined);
    keep(COLLAPSED_KEY, known.length > 0 ? JSON.stringify(known) : null);
  }

  /** Opens everything above a workspace, so that the selected one can be seen. */
  private reveal(id: string): void {
    const seen = new Set<string>();
    let above: Workspace | undefined = this.parentOf(this.store.get(id));
    while (above && !seen.has(above.id)) {
      seen.add(above.id);
      this.collapsed.delete(above.id);
      above = this.parentOf(above);
    }
    this.keepCollapsed();
  }

  private parentOf(workspace: Workspace | undefined): Workspace | undefined {
    return workspace?.parentId ? this.store.get(workspace.parentId) : undefined;
  }
}

function readCollapsed(): Set<string> {
  try {
    const ids: unknown = JSON.parse(kept(COLLAPSED_KEY) ?? '[]');
    return new Set(Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : []);
  } catch {
    return new Set();
  }
}
