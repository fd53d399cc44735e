/**
 * The names that a request's params may have, and the names of other APIs that are refused with what to use instead.
 *
 * Source: MessageCreateParamsBase of SDK 1.10.0, plain and beta (facts/api.md section 2), and section 0 (what 2026-10-21 took away).
 * A name on neither list is sent with a notice, never refused: the API gets new ones faster than people update.
 */

export const PARAM_NAMES: ReadonlySet<string> = new Set([
  'model',
  'max_tokens',
  'messages',
  'system',
  'cache_control',
  'container',
  'diagnostics',
  'inference_geo',
  'metadata',
  'output_config',
  'service_tier',
  'speed',
  'stop_sequences',
  'stream',
  'temperature',
  'thinking',
  'tool_choice',
  'tools',
  'top_k',
  'top_p',
  'user_profile_id',
  'workspace_id',
]);

/** Known with a beta only. Beside bare params they are taken for columns unless the row has `betas`. */
export const BETA_PARAM_NAMES: ReadonlySet<string> = new Set([
  'billing_policy',
  'compaction',
  'context_management',
  'fallback_credit_token',
  'fallbacks',
  'mcp_servers',
  'output_format',
  'thread',
]);

/** Gone since version 2026-10-21: refused by the API, and safe to leave out. */
export const SAMPLING_PARAMS: readonly string[] = ['temperature', 'top_p', 'top_k'];

/** Names of the OpenAI chat API (and what older examples use), each with what Claude has in its place. */
export const FOREIGN_PARAMS: ReadonlyMap<string, string> = new Map([
  ['max_completion_tokens', 'use max_tokens'],
  ['max_tokens_to_sample', 'use max_tokens'],
  ['prompt', 'use messages, or --prompt with a template'],
  ['stop', 'use stop_sequences, a list of strings'],
  ['response_format', 'use output_config.format with a JSON schema'],
  ['reasoning_effort', 'use output_config.effort'],
  ['functions', 'use tools'],
  ['function_call', 'use tool_choice'],
  ['user', 'use metadata.user_id'],
  ['n', 'write the row n times; Claude gives one answer to a request'],
  ['seed', 'leave it out; Claude has no seed'],
  ['logprobs', 'leave it out; Claude gives no log probabilities'],
  ['top_logprobs', 'leave it out; Claude gives no log probabilities'],
  ['logit_bias', 'leave it out; Claude has none'],
  ['frequency_penalty', 'leave it out; Claude has none'],
  ['presence_penalty', 'leave it out; Claude has none'],
  ['parallel_tool_calls', 'use tool_choice.disable_parallel_tool_use'],
]);
