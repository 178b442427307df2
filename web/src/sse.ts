// Server-sent events read from a fetch answer (EventSource cannot POST). Only the `data` lines matter here.

import { AgentError } from './a2a';

const EVENT_LIMIT = 4 * 1024 * 1024; // characters; an agent must not fill the page's memory with one event

export async function* readEventStream(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  let data: string[] = [];
  let size = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      rest += value ?? '';
      const lines = rest.split(/\r\n|\n|\r(?!$)/); // a CR at the very end may be half of a CRLF
      rest = done ? '' : (lines.pop() ?? '');
      for (const line of done ? [...lines, ''] : lines) {
        if (line === '') {
          if (data.length > 0) yield data.join('\n');
          data = [];
          size = 0;
        } else if (line.startsWith('data:')) {
          data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
          size += line.length;
        }
      }
      if (size + rest.length > EVENT_LIMIT) throw new AgentError('The agent sent an event that is too large.', false);
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => {}); // stopping to read hangs up
  }
}
