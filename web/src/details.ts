// The details of one workspace: facts, agent card, the form for name and role, and deleting.

import { updateWorkspace } from './api';
import type { Panel } from './chat';
import { type Child, h, replace } from './dom';
import { field, formProblem } from './field';
import { icon } from './icons';
import { nameProblem, roleProblem } from './names';
import { addressOf } from './route';
import { statusWords } from './status';
import { duration, timeElement } from './time';
import type { Store } from './store';
import { toast } from './toast';
import { type Failure, type Workspace, asList, asText, isRecord } from './types';

export class DetailsPanel implements Panel {
  readonly element: HTMLElement;
  private readonly facts = h('dl', { className: 'facts' });
  private readonly card = h('div', { className: 'agent-card' });
  private readonly name = field(h('input', { type: 'text', name: 'name', required: true }), { label: 'Name' });
  private readonly role = field(h('input', { type: 'text', name: 'role' }), { label: 'Role', optional: true });
  private readonly problem = formProblem();
  private readonly save = h('button', { type: 'submit', className: 'button' }, 'Save');
  private shown = ''; // the facts that are on the page, to leave a selection in them alone

  constructor(
    private workspace: Workspace,
    private readonly store: Store,
    remove: () => void,
  ) {
    this.name.control.value = workspace.name;
    this.role.control.value = workspace.role;
    this.element = h(
      'div',
      { className: 'panel-scroll details', tabIndex: 0 },
      h('section', { className: 'card' }, h('h2', {}, 'Facts'), this.facts),
      h(
        'div',
        { className: 'details-side' },
        h('section', { className: 'card' }, h('h2', {}, 'Agent card'), this.card),
        h('section', { className: 'card' }, h('h2', {}, 'Name and role'), this.form()),
        dangerZone(remove),
      ),
    );
    this.update(workspace);
  }

  update(workspace: Workspace): void {
    const before = this.workspace;
    this.workspace = workspace;
    this.followChange(this.name.control, before.name, workspace.name);
    this.followChange(this.role.control, before.role, workspace.role);
    const parent = workspace.parentId === null ? undefined : this.store.get(workspace.parentId);
    const now = JSON.stringify([workspace, parent?.name]);
    if (now === this.shown) return;
    this.shown = now;
    replace(this.facts, ...facts(workspace, parent));
    replace(this.card, ...agentCard(workspace.agentCard));
  }

  dispose(): void {
    // Holds nothing that outlives its element.
  }

  /** A change made elsewhere shows in the form, unless the person has begun to edit the field. */
  private followChange(control: HTMLInputElement, before: string, after: string): void {
    if (before !== after && control.value === before) control.value = after;
  }

  private form(): HTMLElement {
    const form = h('form', { noValidate: true }, this.name.element, this.role.element, this.problem.element, this.save);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.submit();
    });
    return form;
  }

  private async submit(): Promise<void> {
    const name = this.name.control.value.trim();
    const role = this.role.control.value.trim();
    this.problem.set('');
    this.name.setProblem(nameProblem(name));
    this.role.setProblem(roleProblem(role));
    if (nameProblem(name) || roleProblem(role)) return;
    this.save.disabled = true;
    try {
      await updateWorkspace(this.workspace.id, { name, role: role || null });
      await this.store.refresh();
      toast('Saved.');
    } catch (error) {
      this.showProblem(error instanceof Error ? error.message : 'The change could not be saved.');
    } finally {
      this.save.disabled = false;
    }
  }

  private showProblem(text: string): void {
    if (/\brole\b/i.test(text)) this.role.setProblem(text);
    else if (/\bname\b/i.test(text)) this.name.setProblem(text);
    else this.problem.set(text);
  }
}

function fact(label: string, ...value: Child[]): Node[] {
  return [h('dt', {}, label), h('dd', {}, ...value)];
}

function facts(workspace: Workspace, parent: Workspace | undefined): Node[] {
  const words = statusWords(workspace.status);
  return [
    ...fact('Status', `${words.label}. `, h('span', { className: 'muted' }, words.meaning)),
    ...(workspace.failure ? fact('Reason', h('code', {}, workspace.failure.reason), exitText(workspace.failure)) : []),
    ...(workspace.lastError ? fact('Last error', workspace.lastError) : []),
    ...fact('Current task', workspace.currentTask || '–'),
    ...fact('Id', h('span', { className: 'fact-id' }, h('code', {}, workspace.id), copyButton(workspace.id))),
    ...fact('Parent', parent ? h('a', { href: addressOf(parent.id, 'details') }, parent.name) : 'none'),
    ...fact('Runtime', workspace.runtime || '–'),
    ...fact('Tier', workspace.tier > 0 ? String(workspace.tier) : '–'),
    ...fact('Running for', duration(workspace.uptimeSeconds)),
    ...fact('Error rate', `${Math.round(workspace.errorRate * 100)} %`),
    ...fact('Last heartbeat', timeElement(workspace.heartbeatAt)),
    ...fact('Created', timeElement(workspace.createdAt)),
    ...(workspace.url ? fact('Address', h('code', {}, workspace.url)) : []),
  ];
}

function exitText({ exitCode }: Failure): string {
  return exitCode === null ? '' : `, exit code ${exitCode}`;
}

function copyButton(text: string): HTMLElement | null {
  if (!navigator.clipboard) return null; // over plain HTTP from another machine
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      toast('Copied.');
    } catch {
      toast('The browser did not allow copying.', 'error');
    }
  };
  return h(
    'button',
    {
      type: 'button',
      className: 'icon-button small',
      title: 'Copy',
      attributes: { 'aria-label': 'Copy the id' },
      on: { click: () => void copy() },
    },
    icon('copy'),
  );
}

function agentCard(card: unknown): Node[] {
  if (!isRecord(card)) return [h('p', { className: 'muted' }, 'The agent has not told about itself yet.')];
  const skills = asList(card['skills'])
    .filter(isRecord)
    .map((skill) => asText(skill['name']) || asText(skill['id']))
    .filter((name) => name !== '');
  return [
    h('p', {}, h('strong', {}, asText(card['name']) || 'Unnamed')),
    ...(asText(card['description']) ? [h('p', { className: 'muted' }, asText(card['description']))] : []),
    ...(skills.length > 0 ? [h('ul', { className: 'chips' }, ...skills.map((name) => h('li', {}, name)))] : []),
    h(
      'details',
      {},
      h('summary', {}, 'Whole card'),
      h('pre', { tabIndex: 0 }, h('code', {}, JSON.stringify(card, null, 2))),
    ),
  ];
}

function dangerZone(remove: () => void): HTMLElement {
  return h(
    'section',
    { className: 'card danger-zone' },
    h('h2', {}, 'Delete'),
    h('p', { className: 'muted' }, 'Removes the workspace, everything below it, and their containers and volumes.'),
    h('button', { type: 'button', className: 'button danger', on: { click: remove } }, icon('trash'), 'Delete workspace'),
  );
}
