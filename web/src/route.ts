// Where in the page one is, kept in the address: `#/workspaces/<id>/<tab>`.

export type Tab = 'chat' | 'details' | 'events';

export interface Route {
  id: string | null;
  tab: Tab;
}

export const tabs: readonly Tab[] = ['chat', 'details', 'events'];

export function currentRoute(): Route {
  const match = /^#\/workspaces\/([^/]+)(?:\/([a-z]+))?\/?$/.exec(location.hash);
  if (!match?.[1]) return { id: null, tab: 'chat' };
  let id = match[1];
  try {
    id = decodeURIComponent(id);
  } catch {
    // A malformed escape is no known id; it is shown as one that does not exist.
  }
  return { id: id.toLowerCase(), tab: tabs.find((tab) => tab === match[2]) ?? 'chat' };
}

export function addressOf(id: string | null, tab: Tab = 'chat'): string {
  return id === null ? '#/' : `#/workspaces/${encodeURIComponent(id)}/${tab}`;
}

export function go(id: string | null, tab: Tab = 'chat'): void {
  const address = addressOf(id, tab);
  if (address === location.hash) return;
  history.pushState(null, '', address);
  tellChange();
}

/** Like `go`, but without a step in the browser's history: for a place that no longer exists. */
export function replaceRoute(id: string | null, tab: Tab = 'chat'): void {
  history.replaceState(null, '', addressOf(id, tab));
  tellChange();
}

/** The history functions are silent. Told at once, the page has changed when they return. */
function tellChange(): void {
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}
