// Deleting, always after a question. The question names everything below the workspace. What the server says
// counts: when something has come to stand below it meanwhile, nothing is deleted and the question is put again.

import { type Child as ServerChild, removeWorkspace } from './api';
import { type Dialog, openDialog } from './dialog';
import { h, replace, setAttribute } from './dom';
import { formProblem } from './field';
import { descendants } from './hierarchy';
import { replaceRoute } from './route';
import type { Store } from './store';
import { toast } from './toast';
import type { Workspace } from './types';

const SHOWN_MAX = 8;

export function openRemoveDialog(store: Store, workspace: Workspace): void {
  new RemoveDialog(store, workspace).open();
}

class RemoveDialog {
  private readonly problem = formProblem();
  private readonly text = h('div', { className: 'remove-text' });
  private readonly confirm = h('button', { type: 'button', className: 'button danger' }, 'Delete');
  private readonly agreed = new Map<string, string>(); // what was shown when the person pressed Delete
  private dialog: Dialog | null = null;

  constructor(
    private readonly store: Store,
    private readonly workspace: Workspace,
  ) {}

  open(): void {
    for (const child of descendants(this.store.all(), this.workspace.id)) this.agreed.set(child.id, child.name);
    const cancel = h('button', { type: 'button', className: 'button' }, 'Keep it');
    this.confirm.addEventListener('click', () => void this.remove());
    this.dialog = openDialog(
      `Delete “${this.workspace.name}”?`,
      'remove-dialog',
      this.text,
      this.problem.element,
      h('div', { className: 'dialog-buttons' }, cancel, this.confirm),
    );
    cancel.addEventListener('click', () => this.dialog?.close());
    this.show();
    cancel.focus(); // the harmless one
  }

  private show(): void {
    const names = [...this.agreed.values()];
    this.confirm.textContent = names.length === 0 ? 'Delete' : `Delete all ${names.length + 1}`;
    replace(
      this.text,
      names.length > 0 ? h('p', {}, `It has ${names.length} ${plural(names.length)} below it, deleted with it:`) : null,
      names.length > 0 ? nameList(names) : null,
      h('p', {}, 'Containers and volumes are removed. This cannot be undone.'),
    );
  }

  private async remove(): Promise<void> {
    this.problem.set('');
    this.setBusy(true);
    try {
      if (this.agreed.size > 0 && !(await this.isStillAgreed())) return;
      // Without children nothing is confirmed, so that the server refuses when there are some after all.
      const answer = await removeWorkspace(this.workspace.id, this.agreed.size > 0);
      if (answer.kind === 'removed') this.finish(answer.cascaded, answer.cleanupPending);
      else this.agree(answer.children);
    } catch (error) {
      this.problem.set(error instanceof Error ? error.message : 'The workspace could not be deleted.');
    } finally {
      this.setBusy(false);
    }
  }

  private async isStillAgreed(): Promise<boolean> {
    if (!(await this.store.refresh())) throw new Error(this.store.problem);
    return this.agree(descendants(this.store.all(), this.workspace.id));
  }

  /** True when everything below was on the list that was shown; otherwise it is now. */
  private agree(children: readonly ServerChild[]): boolean {
    const unknown = children.filter((child) => !this.agreed.has(child.id));
    if (unknown.length === 0) return true;
    for (const child of unknown) this.agreed.set(child.id, child.name);
    this.show();
    return false;
  }

  private finish(cascaded: number, cleanupPending: boolean): void {
    const also = cascaded > 0 ? ` and ${cascaded} below it` : '';
    const pending = cleanupPending ? ' Its containers are still being removed.' : '';
    this.dialog?.close();
    replaceRoute(this.store.get(this.workspace.parentId ?? '')?.id ?? null);
    document.getElementById('main')?.focus(); // the button that opened the dialog is gone
    this.store.refreshSoon();
    toast(`Deleted “${this.workspace.name}”${also}.${pending}`);
  }

  private setBusy(busy: boolean): void {
    this.confirm.disabled = busy;
    setAttribute(this.confirm, 'aria-busy', busy ? 'true' : null);
  }
}

function plural(count: number): string {
  return count === 1 ? 'workspace' : 'workspaces';
}

function nameList(names: readonly string[]): HTMLElement {
  const rest = names.length - SHOWN_MAX;
  const list = h('ul', { className: 'name-list' }, ...names.slice(0, SHOWN_MAX).map((name) => h('li', {}, name)));
  if (rest > 0) list.append(h('li', { className: 'muted' }, `and ${rest} more`));
  return list;
}
