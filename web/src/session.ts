// The token of this browser. The printed link carries it in the fragment (`#token=...`), which never
// reaches a server or its log; it is taken out of the address bar at once so that it is not bookmarked,
// shared or seen over a shoulder.

import { keep, kept } from './browser';

const KEY = 'workspaced.token';

export function takeTokenFromAddress(): boolean {
  const match = /^#token=(.+)$/.exec(location.hash);
  if (!match?.[1]) return false;
  let value = match[1];
  try {
    value = decodeURIComponent(value);
  } catch {
    // Not percent-encoded: the text is the token.
  }
  history.replaceState(null, '', location.pathname + location.search);
  setToken(value);
  return true;
}

export function token(): string | null {
  return kept(KEY);
}

export function setToken(value: string | null): void {
  keep(KEY, value === null ? null : value.trim());
}
