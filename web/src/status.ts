// The words for each status of a workspace. A status is never shown by colour alone: the word stands beside the dot.

export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'idle';

interface StatusWords {
  label: string;
  tone: Tone;
  meaning: string;
}

const words: Record<string, StatusWords> = {
  provisioning: { label: 'Starting', tone: 'busy', meaning: 'The container is being made; the agent has not reported yet.' },
  online: { label: 'Online', tone: 'good', meaning: 'The agent is running and reports regularly.' },
  degraded: { label: 'Degraded', tone: 'warn', meaning: 'The agent is running, but many of its tasks fail.' },
  offline: { label: 'Offline', tone: 'idle', meaning: 'The agent has stopped reporting; it is being restarted.' },
  failed: { label: 'Failed', tone: 'bad', meaning: 'The workspace could not be started.' },
  paused: { label: 'Paused', tone: 'idle', meaning: 'Stopped by hand. It stays stopped until it is resumed.' },
  hibernating: { label: 'Falling asleep', tone: 'idle', meaning: 'Being stopped because it was idle.' },
  hibernated: { label: 'Asleep', tone: 'idle', meaning: 'Stopped because it was idle. A message wakes it.' },
  awaiting_agent: { label: 'Waiting for agent', tone: 'busy', meaning: 'The external agent has not registered yet.' },
  removed: { label: 'Removed', tone: 'idle', meaning: 'This workspace has been deleted.' },
};

export function statusWords(status: string): StatusWords {
  return words[status] ?? { label: status || 'Unknown', tone: 'idle', meaning: 'A status this page does not know.' };
}

const order = ['online', ...Object.keys(words)];

/** For sorting: the good news first, then as a workspace lives. */
export function statusRank(status: string): number {
  const rank = order.indexOf(status);
  return rank < 0 ? order.length : rank;
}

export function needsAttention(status: string): boolean {
  return status === 'failed' || status === 'degraded' || status === 'offline';
}
