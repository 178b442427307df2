// The buttons that give a workspace another wish: restart, pause, resume, sleep.

import { type LifeVerb, changeLife } from './api';
import { h } from './dom';
import { type IconName, icon } from './icons';
import type { Store } from './store';
import { toast } from './toast';
import { type Workspace, asNumber } from './types';

interface LifeButton {
  verb: LifeVerb;
  label: string;
  title: string;
  icon: IconName;
  fits: (workspace: Workspace) => boolean;
  said: (name: string, below: string) => string;
}

const awake = new Set(['online', 'degraded']);

const buttons: LifeButton[] = [
  {
    verb: 'restart',
    label: 'Restart',
    title: 'Make its container anew; volumes and configuration stay',
    icon: 'restart',
    fits: ({ status, runtime }) => runtime !== 'external' && status !== 'paused' && status !== 'hibernating',
    said: (name) => `${name} is being restarted.`,
  },
  {
    verb: 'resume',
    label: 'Resume',
    title: 'Start it and all that is paused below it',
    icon: 'play',
    fits: ({ status }) => status === 'paused',
    said: (name, below) => `${name}${below} is starting.`,
  },
  {
    verb: 'hibernate',
    label: 'Sleep',
    title: 'Stop it until a message wakes it',
    icon: 'moon',
    fits: ({ status, runtime }) => runtime !== 'external' && awake.has(status),
    said: (name) => `${name} sleeps until a message wakes it.`,
  },
  {
    verb: 'pause',
    label: 'Pause',
    title: 'Stop it and all below it until it is resumed',
    icon: 'pause',
    fits: ({ status }) => status !== 'paused' && status !== 'hibernating',
    said: (name, below) => `${name}${below} is paused.`,
  },
];

export class LifeButtons {
  readonly element = h('div', { className: 'life', attributes: { role: 'group', 'aria-label': 'Life' } });
  private readonly made: { spec: LifeButton; element: HTMLButtonElement }[];

  constructor(
    private workspace: Workspace,
    private readonly store: Store,
  ) {
    this.made = buttons.map((spec) => ({ spec, element: this.button(spec) }));
    this.element.append(...this.made.map(({ element }) => element));
    this.update(workspace);
  }

  update(workspace: Workspace): void {
    this.workspace = workspace;
    for (const { spec, element } of this.made) element.hidden = !spec.fits(workspace);
  }

  private button(spec: LifeButton): HTMLButtonElement {
    return h(
      'button',
      {
        type: 'button',
        className: 'icon-button',
        title: `${spec.label}: ${spec.title}`,
        attributes: { 'aria-label': spec.label },
        on: { click: () => void this.press(spec) },
      },
      icon(spec.icon),
    );
  }

  private async press(spec: LifeButton): Promise<void> {
    const { id, name } = this.workspace;
    for (const { element } of this.made) element.disabled = true;
    try {
      const answer = await changeLife(id, spec.verb);
      const count = asNumber(answer['paused_count']) || asNumber(answer['resumed_count']);
      toast(spec.said(name, count > 1 ? ` with ${count - 1} below it` : ''));
      await this.store.refresh();
    } catch (error) {
      toast(error instanceof Error ? error.message : 'The server could not do that.', 'error');
    } finally {
      for (const { element } of this.made) element.disabled = false;
    }
  }
}
