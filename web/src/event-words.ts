// What the events of a workspace mean, in a few words each.

import type { Tone } from './status';
import { asNumber, asText, isRecord } from './types';

interface EventWords {
  title: string;
  tone: Tone;
  detail?: (payload: Record<string, unknown>) => string;
}

const words: Record<string, EventWords> = {
  WORKSPACE_PROVISIONING: { title: 'Starting', tone: 'busy', detail: (p) => joined(p['runtime'], tierOf(p)) },
  WORKSPACE_PULL_PROGRESS: { title: 'Fetching the image', tone: 'busy', detail: (p) => joined(percentOf(p), p['text']) },
  WORKSPACE_ONLINE: { title: 'Online', tone: 'good', detail: (p) => asText(p['url']) },
  WORKSPACE_AWAITING_AGENT: { title: 'Waiting for agent', tone: 'busy' },
  WORKSPACE_OFFLINE: { title: 'Offline', tone: 'idle', detail: endOf },
  WORKSPACE_DEGRADED: { title: 'Degraded', tone: 'warn', detail: (p) => asText(p['sample_error']) },
  WORKSPACE_PROVISION_FAILED: { title: 'Start failed', tone: 'bad', detail: (p) => asText(p['error']) },
  WORKSPACE_REMOVED: { title: 'Removed', tone: 'idle' },
  WORKSPACE_PAUSED: { title: 'Paused', tone: 'idle' },
  WORKSPACE_HIBERNATED: { title: 'Asleep', tone: 'idle' },
  WORKSPACE_UPDATED: { title: 'Changed', tone: 'idle', detail: (p) => Object.keys(p).join(', ') },
  WORKSPACE_EXPANDED: { title: 'Team added', tone: 'good' },
  WORKSPACE_COLLAPSED: { title: 'Team removed', tone: 'idle' },
  AGENT_CARD_UPDATED: { title: 'Agent card changed', tone: 'idle', detail: (p) => cardName(p['agent_card']) },
  TASK_UPDATED: { title: 'Task', tone: 'busy', detail: (p) => asText(p['current_task']) || 'none' },
  A2A_RESPONSE: { title: 'Answered a message', tone: 'good', detail: took },
  AGENT_MESSAGE: { title: 'Sent a message', tone: 'good', detail: (p) => asText(p['message']) },
  ACTIVITY_LOGGED: { title: 'Activity', tone: 'idle', detail: (p) => joined(p['summary'] ?? p['activity_type'], took(p)) },
  DELEGATION_SENT: { title: 'Delegated', tone: 'busy', detail: (p) => asText(p['task_preview']) },
  DELEGATION_COMPLETE: { title: 'Delegation done', tone: 'good', detail: (p) => asText(p['response_preview']) },
  DELEGATION_FAILED: { title: 'Delegation failed', tone: 'bad', detail: (p) => asText(p['error']) },
  APPROVAL_REQUESTED: { title: 'Asks for approval', tone: 'warn', detail: (p) => asText(p['action']) },
  CRON_EXECUTED: { title: 'Schedule ran', tone: 'good', detail: (p) => asText(p['schedule_name']) },
  CRON_SKIPPED: { title: 'Schedule skipped', tone: 'idle', detail: (p) => asText(p['reason']) },
};

export interface EventText {
  title: string;
  tone: Tone;
  detail: string;
}

export function eventText(type: string, payload: unknown): EventText {
  const known = words[type];
  if (!known) return { title: type.toLowerCase().replaceAll('_', ' '), tone: 'idle', detail: '' };
  return { title: known.title, tone: known.tone, detail: known.detail?.(isRecord(payload) ? payload : {}) ?? '' };
}

function joined(...parts: unknown[]): string {
  return parts.map(asText).filter((part) => part !== '').join(' · ');
}

function percentOf(payload: Record<string, unknown>): string {
  return typeof payload['percent'] === 'number' ? `${payload['percent']} %` : '';
}

function endOf(payload: Record<string, unknown>): string {
  const code = typeof payload['exit_code'] === 'number' ? `exit code ${payload['exit_code']}` : '';
  return joined(asText(payload['reason']).replaceAll('_', ' '), code);
}

function tierOf(payload: Record<string, unknown>): string {
  return typeof payload['tier'] === 'number' ? `tier ${payload['tier']}` : '';
}

function took(payload: Record<string, unknown>): string {
  const milliseconds = asNumber(payload['duration_ms']);
  return milliseconds > 0 ? `${milliseconds} ms` : '';
}

function cardName(card: unknown): string {
  return isRecord(card) ? asText(card['name']) : '';
}
