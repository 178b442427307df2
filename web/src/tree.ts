// The organisation as an ARIA tree, or as a flat list (a listbox). Both are the same flat sequence of rows;
// a tree row tells its place with aria-level, aria-posinset and aria-setsize. One row can be reached with
// Tab (roving tabindex), the arrow keys do the rest. Rows live as long as their workspace is shown, so
// focus, hover and animations survive every update.

import { h, reconcile, setAttribute, setText } from './dom';
import type { Row } from './hierarchy';
import { icon } from './icons';
import { type StatusView, statusView } from './status-view';

const TYPEAHEAD_MS = 700;

export interface TreeCallbacks {
  select: (id: string) => void;
  setCollapsed: (id: string, collapsed: boolean) => void;
}

interface RowView {
  element: HTMLLIElement;
  name: HTMLElement;
  role: HTMLElement;
  task: HTMLElement;
  badge: HTMLElement;
  unread: HTMLElement; // the number in the badge
  status: StatusView;
}

export interface TreeState {
  rows: readonly Row[];
  selected: string | null;
  mode: 'tree' | 'list';
  unread: (id: string) => number;
}

export class Tree {
  readonly element = h('ul', { className: 'tree', attributes: { 'aria-label': 'Organisation' } });
  private readonly views = new Map<string, RowView>();
  private state: TreeState = { rows: [], selected: null, mode: 'tree', unread: () => 0 };
  private focusId: string | null = null; // the row that Tab reaches
  private typed = '';
  private typedTimer: number | undefined;

  constructor(private readonly callbacks: TreeCallbacks) {
    this.element.addEventListener('keydown', (event) => this.key(event));
    this.element.addEventListener('click', (event) => this.click(event));
    this.element.addEventListener('focusin', (event) => this.focused(event));
  }

  update(state: TreeState): void {
    const hadFocus = this.element.contains(document.activeElement);
    const formerIndex = this.state.rows.findIndex((row) => row.workspace.id === this.focusId);
    if (!hadFocus && state.selected !== this.state.selected) this.focusId = state.selected; // Tab then leads to it
    this.state = state;
    setAttribute(this.element, 'role', state.mode === 'tree' ? 'tree' : 'listbox');
    for (const row of state.rows) this.showRow(row);
    this.dropViews();
    reconcile(this.element, state.rows.map((row) => this.viewOf(row).element));
    this.placeFocus(formerIndex, hadFocus);
  }

  focus(): void {
    this.elementOf(this.focusId)?.focus();
  }

  /* ---- showing ---- */

  private viewOf(row: Row): RowView {
    const id = row.workspace.id;
    let view = this.views.get(id);
    if (!view) {
      view = newRowView(id);
      this.views.set(id, view);
    }
    return view;
  }

  private dropViews(): void {
    const present = new Set(this.state.rows.map((row) => row.workspace.id));
    for (const id of this.views.keys()) if (!present.has(id)) this.views.delete(id);
  }

  private showRow(row: Row): void {
    const view = this.viewOf(row);
    const { workspace } = row;
    const isTree = this.state.mode === 'tree';
    const element = view.element;
    setAttribute(element, 'role', isTree ? 'treeitem' : 'option');
    setAttribute(element, 'aria-level', isTree ? row.level : null);
    setAttribute(element, 'aria-posinset', row.position);
    setAttribute(element, 'aria-setsize', row.siblings);
    setAttribute(element, 'aria-expanded', isTree && row.hasChildren ? row.expanded : null);
    setAttribute(element, 'aria-selected', workspace.id === this.state.selected);
    setAttribute(element, 'data-dim', row.matches ? null : '');
    element.style.setProperty('--level', String(row.level - 1));

    const unread = this.state.unread(workspace.id);
    setText(view.name, workspace.name);
    setText(view.role, secondLine(row, isTree));
    setText(view.task, workspace.currentTask);
    view.task.hidden = workspace.currentTask === '';
    view.role.hidden = !view.task.hidden; // in its place, so that the rows below stay where they are
    setText(view.unread, String(unread));
    view.badge.hidden = unread === 0;
    view.status.show(workspace.status);
  }

  /** Keeps exactly one row in the tab order, near the one that was there before. */
  private placeFocus(formerIndex: number, hadFocus: boolean): void {
    const { rows, selected } = this.state;
    const has = (id: string | null): boolean => rows.some((row) => row.workspace.id === id);
    if (!has(this.focusId)) {
      const near = rows[Math.min(Math.max(formerIndex, 0), rows.length - 1)]?.workspace.id ?? null; // where it was
      this.focusId = formerIndex < 0 && has(selected) ? selected : near;
    }
    for (const [id, view] of this.views) view.element.tabIndex = id === this.focusId ? 0 : -1;
    if (hadFocus && !this.element.contains(document.activeElement)) this.focus();
  }

  private elementOf(id: string | null): HTMLElement | undefined {
    return id === null ? undefined : this.views.get(id)?.element;
  }

  /* ---- moving ---- */

  private moveTo(row: Row | undefined): void {
    if (!row) return;
    this.setTabStop(row.workspace.id);
    this.focus();
  }

  private setTabStop(id: string): void {
    const former = this.elementOf(this.focusId);
    if (former) former.tabIndex = -1;
    this.focusId = id;
    const element = this.elementOf(id);
    if (element) element.tabIndex = 0;
  }

  private focused(event: FocusEvent): void {
    const id = rowId(event.target);
    if (id !== null && id !== this.focusId) this.setTabStop(id);
  }

  private click(event: MouseEvent): void {
    const id = rowId(event.target);
    const row = this.state.rows.find((candidate) => candidate.workspace.id === id);
    if (!row) return;
    this.setTabStop(row.workspace.id);
    const onTwisty = event.target instanceof Element && event.target.closest('.twisty') !== null;
    if (onTwisty && row.hasChildren) this.callbacks.setCollapsed(row.workspace.id, row.expanded);
    else this.callbacks.select(row.workspace.id);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { rows } = this.state;
    const index = rows.findIndex((row) => row.workspace.id === this.focusId);
    const row = rows[index];
    if (row && this.act(event, row, index)) event.preventDefault();
  }

  /** True when the key meant something here. */
  private act(event: KeyboardEvent, row: Row, index: number): boolean {
    const { rows } = this.state;
    const id = row.workspace.id;
    switch (event.key) {
      case 'ArrowDown':
        this.moveTo(rows[index + 1]);
        return true;
      case 'ArrowUp':
        this.moveTo(rows[index - 1]);
        return true;
      case 'Home':
        this.moveTo(rows[0]);
        return true;
      case 'End':
        this.moveTo(rows[rows.length - 1]);
        return true;
      case 'ArrowRight':
        if (row.hasChildren && !row.expanded) this.callbacks.setCollapsed(id, false);
        else if (row.hasChildren) this.moveTo(rows[index + 1]);
        return true;
      case 'ArrowLeft':
        if (row.hasChildren && row.expanded) this.callbacks.setCollapsed(id, true);
        else this.moveTo(rows.find((candidate) => candidate.workspace.id === row.parent?.id && this.state.mode === 'tree'));
        return true;
      case 'Enter':
        this.callbacks.select(id);
        return true;
      case ' ':
        if (this.typed) return this.typeahead(' ', index);
        this.callbacks.select(id);
        return true;
      case '*':
        this.expandSiblings(row);
        return true;
      default:
        return event.key.length === 1 && this.typeahead(event.key, index);
    }
  }

  private expandSiblings(row: Row): void {
    for (const other of this.state.rows) {
      const isSibling = other.level === row.level && other.parent?.id === row.parent?.id;
      if (isSibling && other.hasChildren && !other.expanded) this.callbacks.setCollapsed(other.workspace.id, false);
    }
  }

  /** Typing moves to the next name that begins so; the same letter again goes from one to the next. */
  private typeahead(letter: string, index: number): boolean {
    clearTimeout(this.typedTimer);
    this.typedTimer = window.setTimeout(() => (this.typed = ''), TYPEAHEAD_MS);
    this.typed += letter.toLowerCase();
    const repeated = [...this.typed].every((other) => other === this.typed[0]);
    const wanted = repeated ? (this.typed[0] ?? '') : this.typed;
    const from = wanted.length === 1 ? index + 1 : index;
    const { rows } = this.state;
    for (let step = 0; step < rows.length; step += 1) {
      const candidate = rows[(from + step) % rows.length];
      if (candidate?.workspace.name.toLowerCase().startsWith(wanted)) {
        this.moveTo(candidate);
        break;
      }
    }
    return true;
  }
}

function newRowView(id: string): RowView {
  const name = h('span', { className: 'row-name' });
  const role = h('span', { className: 'row-role' });
  const task = h('span', { className: 'row-task' });
  const unread = h('span', {});
  const badge = h('span', { className: 'badge' }, unread, h('span', { className: 'visually-hidden' }, ' unread'));
  const status = statusView('row-status');
  const element = h(
    'li',
    { className: 'row', attributes: { 'data-id': id } },
    h('span', { className: 'twisty' }, icon('chevron')),
    h('span', { className: 'row-main' }, h('span', { className: 'row-line' }, name, badge, status.element), role, task),
  );
  return { element, name, role, task, badge, unread, status };
}

function secondLine(row: Row, isTree: boolean): string {
  if (isTree || !row.parent) return row.workspace.role;
  const under = `under ${row.parent.name}`;
  return row.workspace.role ? `${row.workspace.role} · ${under}` : under;
}

function rowId(target: EventTarget | null): string | null {
  return target instanceof Element ? (target.closest('.row')?.getAttribute('data-id') ?? null) : null;
}
