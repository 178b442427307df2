// Short messages about what just happened. They are read aloud (`aria-live`) and stay while the pointer or the
// focus is on them. Nothing is only said here: what matters stays visible in its own place.

import { h } from './dom';
import { icon } from './icons';

const STAY_MS = { info: 5000, error: 15_000 };
const SHOWN_MAX = 3; // an organisation that fails as a whole must not cover the page

const region = h('div', { className: 'toasts', attributes: { role: 'region', 'aria-label': 'Messages' } });
const polite = h('div', { attributes: { 'aria-live': 'polite', 'aria-relevant': 'additions' } });
const announcer = h('div', { className: 'visually-hidden', attributes: { 'aria-live': 'polite', role: 'status' } });

export function toastRegion(): HTMLElement {
  region.append(polite, announcer);
  return region;
}

export function toast(text: string, tone: keyof typeof STAY_MS = 'info'): void {
  const element = h('div', { className: `toast toast-${tone}` }, h('p', {}, text));
  let timer: number | undefined;
  const close = (): void => {
    clearTimeout(timer);
    element.remove();
  };
  const wait = (): void => {
    timer = window.setTimeout(close, STAY_MS[tone]);
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
  while (polite.childElementCount > SHOWN_MAX) polite.firstElementChild?.remove();
  wait();
}

/** For screen readers only: changes that everybody else sees in place. */
export function announce(text: string): void {
  announcer.append(h('p', {}, text));
  while (announcer.childElementCount > 3) announcer.firstElementChild?.remove();
}
