// The events of one workspace: the recorded ones from the server, newest first, and those that arrive live.

import { listEvents } from './api';
import type { Panel } from './chat';
import { h, reconcile, setText } from './dom';
import { eventText } from './event-words';
import { timeElement } from './time';
import type { EventRow, LiveEvent } from './types';

const SHOWN_MAX = 200;
const SAME_WITHIN_MS = 1000; // the recorded row and the live message of one event differ by less

/** Live events that the server has recorded too appear once. Newest first. */
export function mergeEvents(recorded: readonly EventRow[], live: readonly EventRow[]): EventRow[] {
  const isRecorded = (event: EventRow): boolean =>
    recorded.some(
      (row) => row.type === event.type && Math.abs(Date.parse(row.createdAt) - Date.parse(event.createdAt)) < SAME_WITHIN_MS,
    );
  return [...recorded, ...live.filter((event) => !isRecorded(event))]
    .sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))
    .slice(0, SHOWN_MAX);
}

export class EventsPanel implements Panel {
  readonly element: HTMLElement;
  private readonly list = h('ol', { className: 'events', attributes: { 'aria-label': 'Events, newest first' } });
  private readonly state = h('p', { className: 'panel-state', attributes: { role: 'status' } }, 'Loading…');
  private readonly items = new Map<string, HTMLElement>();
  private recorded: EventRow[] = [];
  private live: EventRow[] = [];
  private disposed = false;

  constructor(private readonly workspaceId: string) {
    this.element = h('div', { className: 'panel-scroll', tabIndex: 0 }, this.state, this.list);
    void this.refresh();
  }

  update(): void {
    // Nothing of a workspace itself is shown here.
  }

  dispose(): void {
    this.disposed = true;
  }

  receive(event: LiveEvent): void {
    this.live.unshift({ type: event.event, createdAt: event.timestamp, payload: event.payload });
    this.live.length = Math.min(this.live.length, SHOWN_MAX);
    this.show();
  }

  async refresh(): Promise<void> {
    try {
      this.recorded = await listEvents(this.workspaceId);
      if (!this.disposed) this.show();
    } catch (error) {
      setText(this.state, error instanceof Error ? error.message : 'The events could not be read.');
    }
  }

  private show(): void {
    const events = mergeEvents(this.recorded, this.live);
    const shown = new Map<string, HTMLElement>();
    for (const event of events) {
      let key = `${event.type} ${event.createdAt}`;
      while (shown.has(key)) key += '+'; // two of a kind in the same microsecond
      shown.set(key, this.items.get(key) ?? eventItem(event));
    }
    this.items.clear();
    for (const [key, element] of shown) this.items.set(key, element);
    reconcile(this.list, [...shown.values()]);
    setText(this.state, events.length === 0 ? 'Nothing has happened yet.' : '');
    this.state.hidden = events.length > 0;
  }
}

function eventItem(event: EventRow): HTMLElement {
  const text = eventText(event.type, event.payload);
  const hasPayload = event.payload !== null && JSON.stringify(event.payload) !== '{}';
  const payload = hasPayload
    ? h(
        'details',
        {},
        h('summary', {}, h('code', {}, event.type)),
        h('pre', { tabIndex: 0 }, h('code', {}, JSON.stringify(event.payload, null, 2))),
      )
    : h('code', { className: 'event-type' }, event.type);
  return h(
    'li',
    { className: 'event', attributes: { 'data-tone': text.tone } },
    h('span', { className: 'dot', attributes: { 'aria-hidden': 'true' } }),
    h('div', {}, h('p', {}, h('strong', {}, text.title), text.detail ? h('span', { className: 'event-detail' }, ` ${text.detail}`) : null), payload),
    timeElement(event.createdAt),
  );
}
