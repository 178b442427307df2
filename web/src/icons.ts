// Line icons on a 20 by 20 grid. All are decoration beside a text or a label, hence `aria-hidden`.

const SVG = 'http://www.w3.org/2000/svg';

const paths = {
  plus: 'M10 4v12M4 10h12',
  send: 'M10 16V4M5 9l5-5 5 5',
  stop: 'M6 6h8v8H6z',
  close: 'M5 5l10 10M15 5L5 15',
  chevron: 'M8 5l5 5-5 5',
  back: 'M12 5l-5 5 5 5',
  trash: 'M4 6h12M8 6V4h4v2M6 6l.7 10h6.600L14 6M8.500 9v4.500M11.500 9v4.500',
  tree: 'M10 5.500V10M10 10H5v4M10 10h5v4M8.500 3h3v2.500h-3zM3.500 14h3v2.500h-3zM13.500 14h3v2.500h-3z',
  list: 'M7 5h9M7 10h9M7 15h9M4 5h.01M4 10h.01M4 15h.01',
  search: 'M9 4a5 5 0 100 10A5 5 0 009 4zM13 13l3.500 3.500',
  sun: 'M10 6.500a3.500 3.500 0 100 7 3.500 3.500 0 000-7zM10 2v1.500M10 16.500V18M2 10h1.500M16.500 10H18M4.300 4.300l1.100 1.100M14.600 14.600l1.100 1.100M4.300 15.700l1.100-1.100M14.600 5.400l1.100-1.100',
  restart: 'M15.500 10a5.500 5.500 0 11-1.600-3.900M15.500 3.500v3h-3',
  pause: 'M7.500 5v10M12.500 5v10',
  play: 'M7 4.500l8.500 5.500L7 15.500z',
  moon: 'M16 11.500A6.500 6.500 0 118.500 4a5 5 0 007.500 7.500z',
  system: 'M3 4h14v9H3zM7 16.500h6M10 13v3.500',
  out: 'M8 4H4v12h4M12 7l3 3-3 3M15 10H8',
  warning: 'M10 3.500l7 12.500H3zM10 8.500v3.500M10 14h.01',
  copy: 'M7 7h9v9H7zM4 13V4h9',
  chat: 'M4 4h12v9h-6l-3.500 3v-3H4z',
} as const;

export type IconName = keyof typeof paths;

export function icon(name: IconName): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('focusable', 'false');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', paths[name]);
  svg.appendChild(path);
  return svg;
}

/** The product's mark: one node above two. */
export function brandMark(): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 32 32');
  svg.setAttribute('class', 'brand-mark');
  svg.setAttribute('aria-hidden', 'true');
  const back = document.createElementNS(SVG, 'rect');
  for (const [name, value] of [['width', '32'], ['height', '32'], ['rx', '8']] as const) back.setAttribute(name, value);
  const lines = document.createElementNS(SVG, 'path');
  lines.setAttribute('d', 'M16 11v4.500c0 2-7 1.500-7 5.500M16 15.500c0 2 7 1.500 7 5.500');
  svg.append(back, lines);
  for (const [x, y] of [[16, 9], [9, 23], [23, 23]] as const) {
    const dot = document.createElementNS(SVG, 'circle');
    dot.setAttribute('cx', String(x));
    dot.setAttribute('cy', String(y));
    dot.setAttribute('r', '3.2');
    svg.append(dot);
  }
  return svg;
}
