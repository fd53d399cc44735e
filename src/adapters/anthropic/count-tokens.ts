/**
 * How many input tokens a request has, by the API's own count (POST /v1/messages/count_tokens): free, with a limit of
 * calls a minute of its own.
 */
import type Anthropic from '@anthropic-ai/sdk';
import { invariant } from '../../base/errors.ts';
import type { CountCall } from '../../domain/ports.ts';
import { unreadable } from './failure.ts';
import { betaHeader } from './message.ts';
import { parseJson } from './parse.ts';
import * as calls from './sdk-calls.ts';

/** The params of a message that count_tokens takes too: MessageCountTokensParams of SDK 1.10.0. */
const COUNTED: readonly string[] = [
  ...['model', 'messages', 'system', 'tools', 'tool_choice', 'thinking', 'output_config', 'cache_control', 'speed'],
  'user_profile_id',
];

export async function countTokens(client: Anthropic, call: CountCall): Promise<number> {
  const params = parseJson(call.paramsJson);
  invariant(params, 'the params of a row are a JSON object');
  const body = Object.fromEntries(Object.entries(params).filter(([name]) => COUNTED.includes(name)));
  const response = await calls.countTokens(client, {
    body: JSON.stringify(body),
    headers: { ...betaHeader(call.betas), 'content-type': 'application/json' },
    maxRetries: 0,
    signal: call.signal,
  });
  const tokens = parseJson(await response.text())?.['input_tokens'];
  if (typeof tokens !== 'number') throw unreadable('a count of tokens');
  return tokens;
}
