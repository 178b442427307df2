// Short messages about what just happened. They are read aloud (`aria-live`), stay while the pointer or the
// focus is on them, and an error stays until it is dismissed.

import { h } from './dom';
import { icon } from './icons';

const STAY_MS = 6000;

const region = h('div', { className: 'toasts', attributes: { role: 'region', 'aria-label': 'Messages' } });
const polite = h('div', { attributes: { 'aria-live': 'polite', 'aria-relevant': 'additions' } });
const announcer = h('div', { className: 'visually-hidden', attributes: { 'aria-live': 'polite', role: 'status' } });

export function toastRegion(): HTMLElement {
  region.append(polite, announcer);
  return region;
}

export function toast(text: string, tone: 'info' | 'error' = 'info'): void {
  const element = h('div', { className: `toast toast-${tone}` }, h('p', {}, text));
  let timer: number | undefined;
  const close = (): void => {
    clearTimeout(timer);
    element.remove();
  };
  const wait = (): void => {
    if (tone === 'info') timer = window.setTimeout(close, STAY_MS);
  };
  const hold = (): void => clearTimeout(timer);
  element.append(
    h(
      'button',
      { type: 'button', className: 'icon-button', attributes: { 'aria-label': 'Dismiss message' }, on: { click: close } },
      icon('close'),
    ),
  );
  element.addEventListener('mouseenter', hold);
  element.addEventListener('mouseleave', wait);
  element.addEventListener('focusin', hold);
  element.addEventListener('focusout', wait);
  polite.append(element);
  wait();
}

/** For screen readers only: changes that everybody else sees in place. */
export function announce(text: string): void {
  announcer.append(h('p', {}, text));
  while (announcer.childElementCount > 3) announcer.firstElementChild?.remove();
}
