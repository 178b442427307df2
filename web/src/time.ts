// Times for people. A `<time>` made here keeps itself up to date while it is on the page.

import { h, setText } from './dom';

const REFRESH_MS = 15_000;

export function timeElement(iso: string): HTMLElement {
  const date = new Date(iso);
  if (!iso || Number.isNaN(date.getTime())) return h('span', {}, '–');
  return h('time', { dateTime: iso, title: date.toLocaleString(), className: 'relative' }, relative(date, Date.now()));
}

export function relative(date: Date, nowMs: number): string {
  const seconds = Math.round((nowMs - date.getTime()) / 1000);
  if (seconds < 10) return 'just now'; // also a clock that runs a little ahead of ours
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 7 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`;
  return date.toLocaleDateString();
}

export function duration(seconds: number): string {
  if (seconds <= 0) return '–';
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds)} s`;
}

export function startClock(): void {
  setInterval(() => {
    for (const element of document.querySelectorAll<HTMLTimeElement>('time.relative')) {
      setText(element, relative(new Date(element.dateTime), Date.now()));
    }
  }, REFRESH_MS);
}
