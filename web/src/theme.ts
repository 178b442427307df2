// Light, dark, or as the system says (the default). CSS does the work with `color-scheme` and `light-dark()`.

import { keep, kept } from './browser';
import { h, replace, setAttribute } from './dom';
import { type IconName, icon } from './icons';

type Theme = 'system' | 'light' | 'dark';

const KEY = 'workspaced.theme';
const order: readonly Theme[] = ['system', 'light', 'dark'];
const looks: Record<Theme, { text: string; icon: IconName }> = {
  system: { text: 'as the system', icon: 'system' },
  light: { text: 'light', icon: 'sun' },
  dark: { text: 'dark', icon: 'moon' },
};

function current(): Theme {
  const value = kept(KEY);
  return order.find((theme) => theme === value) ?? 'system';
}

export function applyTheme(): void {
  const theme = current();
  setAttribute(document.documentElement, 'data-theme', theme === 'system' ? null : theme);
}

export function themeButton(): HTMLButtonElement {
  const button = h('button', { type: 'button', className: 'icon-button' });
  const show = (): void => {
    const look = looks[current()];
    replace(button, icon(look.icon));
    button.title = `Colours: ${look.text}`;
    setAttribute(button, 'aria-label', `Colours: ${look.text}. Change`);
  };
  button.addEventListener('click', () => {
    const next = order[(order.indexOf(current()) + 1) % order.length] ?? 'system';
    keep(KEY, next);
    applyTheme();
    show();
  });
  show();
  return button;
}
