// The dialog that makes a workspace.

import { ApiError, type NewWorkspace, createWorkspace } from './api';
import { openDialog } from './dialog';
import { h, setAttribute } from './dom';
import { type Field, field, formProblem } from './field';
import { outline } from './hierarchy';
import { nameProblem, roleProblem } from './names';
import type { Store } from './store';
import { toast } from './toast';

const tiers = [
  ['', 'Default'],
  ['1', '1: sandboxed'],
  ['2', '2: standard'],
  ['3', '3: privileged'],
  ['4', '4: full access'],
] as const;

export function openCreateDialog(store: Store, parentId: string | null, created: (id: string) => void): void {
  new CreateDialog(store, parentId, created).open();
}

class CreateDialog {
  private readonly name = field(input('name', true), { label: 'Name' });
  private readonly role = field(input('role'), {
    label: 'Role',
    optional: true,
    hint: 'What this agent is for. Its peers read it.',
  });
  private readonly parent: Field<HTMLSelectElement>;
  private readonly command = field(input('command', true, 'mono'), {
    label: 'Command',
    hint: 'Run once for each message: the message on its standard input, the answer on its standard output.',
  });
  private readonly image = field(input('image', false, 'mono'), {
    label: 'Image',
    optional: true,
    hint: 'Any container image, for example node:22. Left empty, the built-in one is used.',
  });
  private readonly tier = field(
    h('select', { name: 'tier' }, ...tiers.map(([value, text]) => h('option', { value }, text))),
    { label: 'Tier', hint: 'How much of the machine the workspace may touch.' },
  );
  private readonly problem = formProblem();
  private readonly submit = h('button', { type: 'submit', className: 'button primary' }, 'Create workspace');
  private readonly advanced = h('details', { className: 'advanced' });
  private executor: 'echo' | 'command' = 'echo';
  private close: () => void = () => {};

  constructor(
    private readonly store: Store,
    parentId: string | null,
    private readonly created: (id: string) => void,
  ) {
    this.parent = field(this.parentSelect(parentId), { label: 'Parent' });
  }

  open(): void {
    const form = h(
      'form',
      { noValidate: true, attributes: { autocomplete: 'off' } },
      this.name.element,
      this.role.element,
      this.parent.element,
      this.executorChoice(),
      this.command.element,
      this.advancedPart(),
      this.problem.element,
      this.buttons(),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.create();
    });
    this.showCommand();
    this.close = openDialog('New workspace', 'create-dialog', form).close;
    this.name.control.focus();
  }

  private parentSelect(parentId: string | null): HTMLSelectElement {
    const select = h('select', { name: 'parent' }, h('option', { value: '' }, 'None: top of the organisation'));
    for (const { workspace, level } of outline(this.store.all())) {
      const indent = '\u00a0\u00a0\u00a0'.repeat(level - 1); // an option keeps no ordinary blanks
      select.append(h('option', { value: workspace.id, selected: workspace.id === parentId }, indent + workspace.name));
    }
    return select;
  }

  private executorChoice(): HTMLElement {
    const choice = (value: 'echo' | 'command', title: string, text: string): HTMLElement => {
      const radio = h('input', { type: 'radio', name: 'executor', value, checked: value === this.executor });
      radio.addEventListener('change', () => {
        this.executor = value;
        this.showCommand();
      });
      return h('label', { className: 'choice' }, radio, h('span', {}, h('strong', {}, title), h('small', {}, text)));
    };
    return h(
      'fieldset',
      { className: 'choices' },
      h('legend', {}, 'What answers messages'),
      choice('echo', 'Echo', 'Repeats what you write. Good for a first try.'),
      choice('command', 'Command', 'A program: a script, Claude Code, Codex, …'),
    );
  }

  private showCommand(): void {
    this.command.element.hidden = this.executor !== 'command';
  }

  private advancedPart(): HTMLElement {
    this.advanced.append(h('summary', {}, 'Advanced: image and tier'), this.image.element, this.tier.element);
    return this.advanced;
  }

  private buttons(): HTMLElement {
    const cancel = h('button', { type: 'button', className: 'button', on: { click: () => this.close() } }, 'Cancel');
    return h('div', { className: 'dialog-buttons' }, cancel, this.submit);
  }

  private checked(): NewWorkspace | null {
    const wish = this.wish();
    const command = this.executor === 'command' && !wish.command ? 'Say which program to run.' : '';
    const problems: [Field, string][] = [
      [this.name, nameProblem(wish.name)],
      [this.role, roleProblem(wish.role ?? '')],
      [this.command, command],
    ];
    for (const [item, problem] of problems) item.setProblem(problem);
    const first = problems.find(([, problem]) => problem !== '');
    first?.[0].control.focus();
    return first ? null : wish;
  }

  private wish(): NewWorkspace {
    const wish: NewWorkspace = { name: this.name.control.value.trim(), executor: this.executor };
    const role = this.role.control.value.trim();
    const image = this.image.control.value.trim();
    if (role) wish.role = role;
    if (image) wish.image = image;
    if (this.parent.control.value) wish.parent_id = this.parent.control.value;
    if (this.tier.control.value) wish.tier = Number(this.tier.control.value);
    if (this.executor === 'command') wish.command = this.command.control.value.trim();
    return wish;
  }

  private async create(): Promise<void> {
    if (this.submit.disabled) return;
    this.problem.set('');
    const wish = this.checked();
    if (!wish) return;
    this.setBusy(true);
    try {
      const id = await createWorkspace(wish);
      this.store.expect({ ...wish, id, status: 'provisioning', created_at: new Date().toISOString() });
      this.store.refreshSoon();
      this.close();
      toast(`Created “${wish.name}”.`);
      this.created(id);
    } catch (error) {
      this.setBusy(false);
      this.showProblem(error);
    }
  }

  private setBusy(busy: boolean): void {
    this.submit.disabled = busy;
    setAttribute(this.submit, 'aria-busy', busy ? 'true' : null);
  }

  /** The server's sentence names the field it means; it is shown there, and below the form otherwise. */
  private showProblem(error: unknown): void {
    const text = error instanceof Error ? error.message : 'The workspace could not be created.';
    const fields: [RegExp, Field][] = [
      [/\bcommand\b|\bexecutor\b/i, this.command],
      [/\bparent(_id)?\b/i, this.parent],
      [/\bimage\b/i, this.image],
      [/\btier\b/i, this.tier],
      [/\brole\b/i, this.role],
      [/\bname\b/i, this.name],
    ];
    const named = fields.filter(([pattern, item]) => pattern.test(text) && !item.element.hidden);
    const only = error instanceof ApiError && error.status < 500 && named.length === 1 ? named[0]?.[1] : undefined;
    if (!only) {
      this.problem.set(text);
      return;
    }
    if (only === this.image || only === this.tier) this.advanced.open = true;
    only.setProblem(text);
    only.control.focus();
  }
}

function input(name: string, required = false, className = ''): HTMLInputElement {
  return h('input', { name, required, className, type: 'text', spellcheck: false });
}
