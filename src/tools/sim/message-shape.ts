/**
 * The message object, in its two shapes.
 *
 * In a batch line it has the keys of recorded files, without the newer ones; in realtime it has every key of the
 * SDK's types (facts 1.7 and 2). The client has to take both.
 */
import type { Answer } from './answer.ts';
import type { InputUse } from './prompt-cache.ts';

type Json = Readonly<Record<string, unknown>>;

export function batchMessage(id: string, model: string, answer: Answer, input: InputUse): Json {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content: answer.text === '' ? [] : [{ type: 'text', text: answer.text }],
    stop_reason: answer.stopReason,
    stop_sequence: answer.stopSequence,
    usage: {
      ...inputUsage(input),
      output_tokens: answer.outputTokens,
      service_tier: 'batch',
      inference_geo: 'not_available',
    },
  };
}

export function realtimeMessage(id: string, model: string, answer: Answer, input: InputUse): Json {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    container: null,
    diagnostics: null,
    content: answer.text === '' ? [] : [{ type: 'text', text: answer.text, citations: null }],
    stop_reason: answer.stopReason,
    stop_sequence: answer.stopSequence,
    stop_details: stopDetails(answer),
    usage: {
      ...inputUsage(input),
      output_tokens: answer.outputTokens,
      output_tokens_details: null,
      server_tool_use: null,
      service_tier: 'standard',
      speed: null,
      inference_geo: 'not_available',
    },
  };
}

export function inputUsage(input: InputUse): Json {
  return {
    input_tokens: input.plain,
    cache_creation_input_tokens: input.write5m + input.write1h,
    cache_read_input_tokens: input.read,
    cache_creation: { ephemeral_5m_input_tokens: input.write5m, ephemeral_1h_input_tokens: input.write1h },
  };
}

export function stopDetails(answer: Answer): Json | null {
  return answer.stopReason === 'refusal' ? { type: 'refusal', category: null, explanation: null } : null;
}
