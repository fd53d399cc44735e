/**
 * A message as server-sent events, in the sequence that the API sends:
 * message_start, content_block_start, ping, content_block_delta…, content_block_stop, message_delta, message_stop.
 */
import type { Clock } from '../../base/clock.ts';
import type { Answer } from './answer.ts';
import { inputUsage, stopDetails } from './message-shape.ts';
import type { InputUse } from './prompt-cache.ts';

const DELTA_CHARS = 24;

export function* messageEvents(
  message: Readonly<Record<string, unknown>>,
  answer: Answer,
  input: InputUse,
): Iterable<string> {
  const usage = { ...inputUsage(input), output_tokens: 1, service_tier: 'standard', inference_geo: 'not_available' };
  const started = { ...message, content: [], stop_reason: null, stop_sequence: null, stop_details: null, usage };
  yield event('message_start', { message: started });
  if (answer.text === '') yield event('ping', {});
  else yield* textEvents(answer.text);
  const delta = {
    stop_reason: answer.stopReason,
    stop_sequence: answer.stopSequence,
    stop_details: stopDetails(answer),
    container: null,
  };
  const { cache_creation: _left, ...counted } = inputUsage(input);
  yield event('message_delta', {
    delta,
    usage: { ...counted, output_tokens: answer.outputTokens, output_tokens_details: null, server_tool_use: null },
  });
  yield event('message_stop', {});
}

export interface EventSpread {
  readonly clock: Clock;
  /** From the first token to the end. */
  readonly forMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The same events over a time: everything up to the first token at once, the other deltas evenly after it. */
export async function* pacedEvents(
  events: Iterable<string>,
  { clock, forMs, signal }: EventSpread,
): AsyncGenerator<string> {
  const all = [...events];
  const deltas = all.filter((event) => event.startsWith(DELTA)).length;
  const startMs = clock.monotonicMs();
  let written = 0;
  for (const event of all) {
    const isDelta = event.startsWith(DELTA);
    // By the start, not by the last one: timers that are late do not add up.
    const share = isDelta ? written / Math.max(1, deltas - 1) : 1;
    const waits = isDelta ? written++ > 0 : event.startsWith(LAST);
    if (waits) await clock.sleep(startMs + forMs * share - clock.monotonicMs(), signal);
    if (signal?.aborted === true) return;
    yield event;
  }
}

const DELTA = 'event: content_block_delta';
const LAST = 'event: message_delta';

function* textEvents(text: string): Iterable<string> {
  yield event('content_block_start', { index: 0, content_block: { type: 'text', text: '', citations: null } });
  yield event('ping', {});
  // By characters, not by code units: a delta never ends inside a surrogate pair.
  const characters = Array.from(text);
  for (let at = 0; at < characters.length; at += DELTA_CHARS) {
    const piece = characters.slice(at, at + DELTA_CHARS).join('');
    yield event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: piece } });
  }
  yield event('content_block_stop', { index: 0 });
}

function event(type: string, data: Readonly<Record<string, unknown>>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}
