// Building elements. There is no way to pass markup: children are nodes or text, so whatever a name, a
// role or an agent's answer holds is shown and never interpreted.

export type Child = Node | string | null | undefined | false;

/** Properties that would interpret text as markup cannot be passed at all. */
type Properties<T> = Partial<Omit<T, 'attributes' | 'innerHTML' | 'outerHTML'>> & {
  attributes?: Record<string, string | number | boolean | null>;
  on?: { [E in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[E]) => void };
};

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties<HTMLElementTagNameMap[K]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  const { attributes, on, ...direct } = properties;
  Object.assign(element, direct);
  for (const [name, value] of Object.entries(attributes ?? {})) setAttribute(element, name, value);
  for (const [type, listener] of Object.entries(on ?? {})) {
    element.addEventListener(type, listener as EventListener);
  }
  append(element, children);
  return element;
}

export function append(parent: Node, children: Child[]): void {
  for (const child of children) {
    if (child) parent.appendChild(typeof child === 'string' ? document.createTextNode(child) : child);
  }
}

export function replace(parent: Element, ...children: Child[]): void {
  parent.replaceChildren();
  append(parent, children);
}

export function setAttribute(element: Element, name: string, value: string | number | boolean | null): void {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/** Writes only what changed, so that a screen reader is not told the same thing again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Puts `wanted` into `parent` in this order, moving as few nodes as possible so that focus and scrolling stay. */
export function reconcile(parent: Element, wanted: readonly Element[]): void {
  const keep = new Set<Element>(wanted);
  for (const child of Array.from(parent.children)) if (!keep.has(child)) child.remove();
  wanted.forEach((element, index) => {
    const present = parent.children[index];
    if (present !== element) parent.insertBefore(element, present ?? null);
  });
}

let lastId = 0;

/** An id for `aria-labelledby`, `for` and their like. */
export function uniqueId(prefix: string): string {
  lastId += 1;
  return `${prefix}-${lastId}`;
}
