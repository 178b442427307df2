// A status as it is shown everywhere: a dot for the eye, the word for everybody.

import { h, setAttribute, setText } from './dom';
import { statusWords } from './status';

export interface StatusView {
  element: HTMLElement;
  show: (status: string) => void;
}

export function statusView(className = ''): StatusView {
  const text = h('span', {});
  const element = h(
    'span',
    { className: `status ${className}` },
    h('span', { className: 'dot', attributes: { 'aria-hidden': 'true' } }),
    text,
  );
  const show = (status: string): void => {
    const words = statusWords(status);
    setAttribute(element, 'data-tone', words.tone);
    setText(text, words.label);
  };
  return { element, show };
}
