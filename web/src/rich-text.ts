// An answer as it is shown: text with its line breaks, and code between ``` fences as code blocks. Nothing
// else is interpreted, and nothing ever becomes markup.

import { h } from './dom';

export function richText(text: string): Node[] {
  const nodes: Node[] = [];
  text.split(/^```[^\n]*\n?/m).forEach((part, index) => {
    const isCode = index % 2 === 1;
    if (isCode) nodes.push(h('pre', { tabIndex: 0 }, h('code', {}, part.replace(/\n$/, ''))));
    else if (part.trim() !== '') nodes.push(h('p', {}, part.replace(/^\n+|\n+$/g, '')));
  });
  return nodes;
}
