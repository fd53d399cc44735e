/**
 * One message, plain or streamed: both come to the same JSON. What the headers say about limits is told as soon as they
 * are there, long before a streamed answer ends.
 */
import type Anthropic from '@anthropic-ai/sdk';
import type { Clock } from '../../base/clock.ts';
import type { MessageCall } from '../../domain/ports.ts';
import { unreadable } from './failure.ts';
import { createMessage as postMessage } from './sdk-calls.ts';
import { ratesOf } from './rate-headers.ts';

/** A message may take as long as the API itself allows for a call that is not streamed. */
const MESSAGE_TIMEOUT_MS = 600_000;

export async function createMessage(client: Anthropic, clock: Clock, call: MessageCall): Promise<string> {
  const options = { maxRetries: 0, timeout: MESSAGE_TIMEOUT_MS, signal: call.signal, headers: betaHeader(call.betas) };
  const answered = (response: Response | null | undefined): void => {
    if (response) call.onRates?.(ratesOf(response.headers, clock.now()));
  };
  if (call.stream) {
    const params = JSON.parse(call.paramsJson) as Anthropic.MessageStreamParams;
    const stream = client.messages.stream(params, options);
    stream.once('connect', () => answered(stream.response));
    return JSON.stringify(await stream.finalMessage(), withoutSdkFields);
  }
  const response = await postMessage(client, {
    ...options,
    body: call.paramsJson,
    headers: { ...options.headers, 'content-type': 'application/json' },
  });
  answered(response);
  const body = await response.text();
  if (!isMessage(body)) throw unreadable('a message');
  return body;
}

/** The SDK adds `parsed_output` to what it puts together; a line has what the API said and nothing else. */
function withoutSdkFields(key: string, value: unknown): unknown {
  return key === 'parsed_output' ? undefined : value;
}

function isMessage(body: string): boolean {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null && 'type' in parsed && parsed.type === 'message';
  } catch {
    return false;
  }
}

export function betaHeader(betas: readonly string[]): Record<string, string> {
  return betas.length > 0 ? { 'anthropic-beta': betas.join(',') } : {};
}
