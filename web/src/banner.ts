// The strip below a workspace's head: what is wrong with it, why, and what to do; or what is still going on.

import { readLog } from './api';
import { type Child, h, replace, setAttribute, setText } from './dom';
import { icon } from './icons';
import { type Tone, statusWords } from './status';
import { duration } from './time';
import type { Workspace } from './types';

const LAST_LINES = 20;

const titles: Record<string, string> = {
  failed: 'This workspace could not be started.',
  degraded: 'Many tasks of this agent fail.',
  offline: 'This workspace does not run.',
};

/** Statuses that are explained although nothing is wrong. */
const quiet = new Set(['paused', 'hibernated', 'hibernating', 'awaiting_agent']);

export class Banner {
  readonly element = h('div', { className: 'banner', hidden: true });
  private shown = '';
  private workspace: Workspace | null = null;

  update(workspace: Workspace): void {
    const { id, status, lastError, failure, pull } = workspace;
    const key = JSON.stringify([id, status, lastError, failure, pull]);
    const startsStill = this.workspace?.status === 'provisioning' && status === 'provisioning' && sameFailure(this.workspace, workspace);
    this.workspace = workspace;
    if (key === this.shown) return;
    this.shown = key;
    if (!startsStill || !this.showPull()) this.draw(workspace);
    this.showElapsed();
  }

  showElapsed(): void {
    const elapsed = this.element.querySelector('.elapsed');
    const since = Date.parse(this.workspace?.createdAt ?? '');
    if (!elapsed || Number.isNaN(since)) return;
    const seconds = (Date.now() - since) / 1000;
    setText(elapsed, seconds >= 1 && seconds < 3600 ? duration(seconds) : ''); // a restart counts from an older creation
  }

  private draw(workspace: Workspace): void {
    const { status } = workspace;
    const isProblem = status in titles && (status !== 'offline' || workspace.failure !== null);
    const isStarting = status === 'provisioning';
    this.element.hidden = !isProblem && !isStarting && !quiet.has(status);
    setAttribute(this.element, 'data-tone', toneOf(status));
    setAttribute(this.element, 'role', isProblem ? 'alert' : null);
    if (isProblem) replace(this.element, icon('warning'), this.problem(workspace));
    else if (isStarting) replace(this.element, ...startingParts(workspace));
    else if (!this.element.hidden) replace(this.element, h('div', {}, statusWords(status).meaning));
    this.showPull();
  }

  private problem(workspace: Workspace): HTMLElement {
    const { failure, lastError, status } = workspace;
    const message = failure ? failure.message : firstLine(lastError);
    const kept = lastError.startsWith(message) ? lastError.slice(message.length).trim() : lastError;
    const lines = h('pre', { hidden: kept === '', tabIndex: 0, attributes: { 'aria-label': 'Last lines of its log' } }, kept);
    if (kept === '' && failure?.exitCode != null) void this.loadLines(workspace, lines);
    return h(
      'div',
      { className: 'banner-problem' },
      h('strong', {}, status === 'degraded' && failure ? 'This workspace is not well.' : (titles[status] ?? '')),
      message ? h('p', {}, message) : null,
      failure?.hint ? h('p', { className: 'banner-hint' }, failure.hint) : null,
      lines,
    );
  }

  /** A container that ended has a log, even when the container is gone. */
  private async loadLines(workspace: Workspace, lines: HTMLElement): Promise<void> {
    const text = await readLog(workspace.id, LAST_LINES).catch(() => '');
    lines.textContent = text.trim();
    lines.hidden = lines.textContent === '';
  }

  /** Moves the bar on, without drawing it anew. False: there is none. */
  private showPull(): boolean {
    const bar = this.element.querySelector('.progress');
    const words = this.element.querySelector('.pull');
    if (!bar || !words) return false;
    const pull = this.workspace?.pull ?? null;
    const percent = pull?.percent ?? null;
    setText(words, pull ? `Fetching the image${percent === null ? '' : `, ${Math.round(percent)} %`}` : '');
    setAttribute(words, 'title', pull?.text || null);
    setAttribute(bar, 'aria-valuenow', percent === null ? null : Math.round(percent));
    bar.classList.toggle('measured', percent !== null);
    const fill = bar.querySelector('i');
    if (fill) fill.style.width = percent === null ? '' : `${Math.min(100, Math.max(2, percent))}%`;
    return true;
  }
}

function sameFailure(a: Workspace, b: Workspace): boolean {
  return a.id === b.id && JSON.stringify(a.failure) === JSON.stringify(b.failure);
}

function toneOf(status: string): Tone {
  return status === 'offline' ? 'warn' : statusWords(status).tone;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

function startingParts({ failure }: Workspace): Child[] {
  return [
    h('div', {}, h('strong', {}, 'Starting '), h('span', { className: 'elapsed muted' }), h('span', { className: 'pull muted' })),
    failure ? h('div', { className: 'banner-problem' }, h('p', {}, failure.message), h('p', { className: 'banner-hint' }, failure.hint)) : null,
    h('div', { className: 'progress', attributes: { role: 'progressbar', 'aria-label': 'Starting the workspace' } }, h('i', {})),
  ];
}
