// The organisation as rows: pure functions from the workspaces to what a tree, a list or a select shows.
// A parent that is unknown (removed, or not told yet) or a cycle never hides anybody: such rows become roots.

import type { Workspace } from './types';

export interface Row {
  workspace: Workspace;
  level: number; // 1 for roots, as `aria-level` counts
  position: number; // among its siblings, from 1
  siblings: number;
  hasChildren: boolean;
  expanded: boolean;
  matches: boolean; // false: only shown because something below it matches the filter
  parent: Workspace | null;
}

type Children = Map<string | null, Workspace[]>;

function childrenByParent(all: readonly Workspace[]): Children {
  const known = new Set(all.map((workspace) => workspace.id));
  const children: Children = new Map();
  for (const workspace of all) {
    const parent = workspace.parentId !== null && known.has(workspace.parentId) ? workspace.parentId : null;
    const list = children.get(parent);
    if (list) list.push(workspace);
    else children.set(parent, [workspace]);
  }
  return children;
}

interface Visit {
  workspace: Workspace;
  parent: Workspace | null;
  level: number;
  position: number;
  siblings: number;
}

/** Every workspace once, parents before their children. `descend` says whether to go below one. */
function walk(all: readonly Workspace[], children: Children, descend: (id: string) => boolean): Visit[] {
  const visits: Visit[] = [];
  const seen = new Set<string>();
  const reachable = (list: readonly Workspace[], parent: Workspace | null, level: number): void => {
    list.forEach((workspace, index) => {
      if (seen.has(workspace.id)) return;
      seen.add(workspace.id);
      visits.push({ workspace, parent, level, position: index + 1, siblings: list.length });
      const below = children.get(workspace.id) ?? [];
      if (descend(workspace.id)) reachable(below, workspace, level + 1);
      else below.forEach((child) => markSeen(child, children, seen));
    });
  };
  reachable(children.get(null) ?? [], null, 1);
  for (const workspace of all) if (!seen.has(workspace.id)) reachable([workspace], null, 1); // a cycle
  return visits;
}

function markSeen(workspace: Workspace, children: Children, seen: Set<string>): void {
  if (seen.has(workspace.id)) return;
  seen.add(workspace.id);
  for (const child of children.get(workspace.id) ?? []) markSeen(child, children, seen);
}

function matchesFilter(workspace: Workspace, statusLabel: string, filter: string): boolean {
  if (!filter) return true;
  const text = `${workspace.name}\n${workspace.role}\n${statusLabel}\n${workspace.id}`.toLowerCase();
  return text.includes(filter);
}

export interface View {
  filter: string; // lower case, trimmed; '' shows everything
  collapsed: ReadonlySet<string>;
  label: (status: string) => string;
}

export function treeRows(all: readonly Workspace[], view: View): Row[] {
  const children = childrenByParent(all);
  const matching = new Set(all.filter((w) => matchesFilter(w, view.label(w.status), view.filter)).map((w) => w.id));
  const shown = view.filter ? withAncestors(all, matching) : matching;
  const present = all.filter((workspace) => shown.has(workspace.id));
  const shownChildren = view.filter ? childrenByParent(present) : children;
  const isOpen = (id: string): boolean => view.filter !== '' || !view.collapsed.has(id);

  return walk(present, shownChildren, isOpen).map((visit) => ({
    ...visit,
    hasChildren: (shownChildren.get(visit.workspace.id) ?? []).length > 0,
    expanded: isOpen(visit.workspace.id),
    matches: matching.has(visit.workspace.id),
  }));
}

function withAncestors(all: readonly Workspace[], matching: ReadonlySet<string>): Set<string> {
  const byId = new Map(all.map((workspace) => [workspace.id, workspace]));
  const shown = new Set<string>();
  for (const id of matching) {
    let workspace = byId.get(id);
    while (workspace && !shown.has(workspace.id)) {
      shown.add(workspace.id);
      workspace = workspace.parentId === null ? undefined : byId.get(workspace.parentId);
    }
  }
  return shown;
}

export function listRows(all: readonly Workspace[], view: View): Row[] {
  const byId = new Map(all.map((workspace) => [workspace.id, workspace]));
  const rows = all
    .filter((workspace) => matchesFilter(workspace, view.label(workspace.status), view.filter))
    .sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id));
  return rows.map((workspace, index) => ({
    workspace,
    level: 1,
    position: index + 1,
    siblings: rows.length,
    hasChildren: false,
    expanded: false,
    matches: true,
    parent: workspace.parentId === null ? null : (byId.get(workspace.parentId) ?? null),
  }));
}

/** The whole organisation, parents first, with levels from 1: for choosing a parent. */
export function outline(all: readonly Workspace[]): { workspace: Workspace; level: number }[] {
  return walk(all, childrenByParent(all), () => true).map(({ workspace, level }) => ({ workspace, level }));
}

export function descendants(all: readonly Workspace[], id: string): Workspace[] {
  const children = childrenByParent(all);
  const found: Workspace[] = [];
  const seen = new Set([id]);
  const queue = [id];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const child of children.get(next) ?? []) {
      if (seen.has(child.id)) continue;
      seen.add(child.id);
      found.push(child);
      queue.push(child.id);
    }
  }
  return found;
}
