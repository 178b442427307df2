// Native modal dialogs: the browser keeps the focus inside, closes on Escape and gives the focus back.

import { type Child, h, uniqueId } from './dom';
import { icon } from './icons';

export interface Dialog {
  element: HTMLDialogElement;
  body: HTMLElement;
  close: () => void;
}

export function openDialog(title: string, className: string, ...children: Child[]): Dialog {
  const titleId = uniqueId('dialog-title');
  const close = (): void => element.close();
  const body = h('div', { className: 'dialog-body' }, ...children);
  const element = h(
    'dialog',
    { className: `dialog ${className}`, attributes: { 'aria-labelledby': titleId } },
    h(
      'header',
      { className: 'dialog-head' },
      h('h2', { id: titleId }, title),
      h(
        'button',
        { type: 'button', className: 'icon-button', attributes: { 'aria-label': 'Close' }, on: { click: close } },
        icon('close'),
      ),
    ),
    body,
  );
  element.addEventListener('close', () => element.remove());
  document.body.append(element);
  element.showModal();
  return { element, body, close };
}

/** No dialog may stay above the sign-in panel. */
export function closeDialogs(): void {
  for (const element of document.querySelectorAll('dialog')) element.close();
}
