/**
 * Judges the params of one request, as /v1/messages does: the one validator for realtime, count_tokens and batch rows.
 *
 * It answers the problem instead of throwing it, because in a batch it becomes the row's errored line. Texts follow
 * recorded answers where there are any (facts 1.6, 1.7, 8); the first problem found is the one told.
 */
import {
  findModel,
  lifecycleAt,
  LONG_OUTPUT_BETA,
  LONG_OUTPUT_TOKENS_MAX,
  SIZES,
  STRICT_VERSION,
  type SimModel,
} from './catalogue.ts';
import { isArray, isRecord, type JsonRecord } from './json.ts';
import type { Complaint, JudgeContext, Problem } from './judge.ts';
import { promptTokens, type TextBytes } from './prompt.ts';
import { checkMessages } from './validate-messages.ts';
import { checkThinking, checkTools, countBreakpoints } from './validate-config.ts';

const BREAKPOINTS_MAX = 4;
const SAMPLING = ['temperature', 'top_p', 'top_k'] as const;
const KNOWN = new Set<string>([
  ...['model', 'max_tokens', 'messages', 'system', 'cache_control', 'container', 'diagnostics', 'inference_geo'],
  ...['metadata', 'output_config', 'service_tier', 'speed', 'stop_sequences', 'stream', 'thinking', 'tool_choice'],
  ...['tools', 'user_profile_id'],
]);
const KNOWN_COUNT = new Set<string>([
  ...['model', 'messages', 'system', 'cache_control', 'output_config', 'speed', 'thinking', 'tool_choice', 'tools'],
  'user_profile_id',
]);

export function judgeParams(params: unknown, context: JudgeContext): Problem | undefined {
  if (!isRecord(params)) return invalid('params: Input should be a valid dictionary');
  const shape = checkShape(params, context);
  if (shape !== undefined) return invalid(shape);
  const name = String(params['model']);
  const model = findModel(name);
  if (model === undefined || lifecycleAt(model, context.nowMs) === 'retired') {
    return { status: 404, type: 'not_found_error', message: `model: ${name}` };
  }
  const complaint =
    checkMaxTokens(params, model, name, context) ??
    checkSampling(params, model, context) ??
    checkMessages(params, model, context) ??
    checkThinking(params, model) ??
    checkTools(params, model) ??
    checkBreakpoints(params) ??
    checkLength(params, model, context.textBytes);
  return complaint === undefined ? undefined : invalid(complaint);
}

/** Fields that a batch does not support, which the API may refuse early or late (a switch). */
export function unsupportedInBatch(params: JsonRecord): Complaint {
  if (params['stream'] === true) return 'stream: streaming is not supported in message batches';
  if (params['speed'] === 'fast') return 'speed: fast mode is not supported in message batches';
  if (params['max_tokens'] === 0) return 'max_tokens: must be greater than or equal to 1 in message batches';
  return undefined;
}

function invalid(message: string): Problem {
  return { status: 400, type: 'invalid_request_error', message };
}

function checkShape(params: JsonRecord, context: JudgeContext): Complaint {
  const known = context.lane === 'count' ? KNOWN_COUNT : KNOWN;
  const required = context.lane === 'count' ? ['model', 'messages'] : ['model', 'max_tokens', 'messages'];
  for (const name of required) if (params[name] === undefined) return `${name}: Field required`;
  const oldVersion = context.version !== STRICT_VERSION;
  for (const name of Object.keys(params)) {
    if (known.has(name) || (oldVersion && SAMPLING.some((field) => field === name))) continue;
    return `${name}: Extra inputs are not permitted`;
  }
  if (typeof params['model'] !== 'string') return 'model: Input should be a valid string';
  if (params['model'] === '') return 'model: String should have at least 1 character';
  if (!isArray(params['messages'])) return 'messages: Input should be a valid list';
  if (params['messages'].length === 0) return 'messages: at least one message is required';
  if (params['messages'].length > SIZES.messagesMax)
    return `messages: too many messages (${SIZES.messagesMax} at most)`;
  return checkFields(params);
}

function checkFields(params: JsonRecord): Complaint {
  const { system, stop_sequences: stops, stream, metadata, service_tier: tier, cache_control: cache } = params;
  if (system !== undefined && typeof system !== 'string' && !isArray(system))
    return 'system: Input should be a valid string';
  if (isArray(system)) {
    for (const [at, block] of system.entries()) {
      if (!isRecord(block) || block['type'] !== 'text') return `system.${at}: Input should be a text block`;
      if (typeof block['text'] !== 'string') return `system.${at}.text: Field required`;
      if (block['text'] === '') return 'system: text content blocks must be non-empty';
    }
  }
  if (stops !== undefined && (!isArray(stops) || stops.some((stop) => typeof stop !== 'string'))) {
    return 'stop_sequences: Input should be a valid list of strings';
  }
  if (isArray(stops) && stops.some((stop) => String(stop).trim() === '')) {
    return 'stop_sequences: each stop sequence must contain non-whitespace';
  }
  if (stream !== undefined && typeof stream !== 'boolean') return 'stream: Input should be a valid boolean';
  if (metadata !== undefined && !isRecord(metadata)) return 'metadata: Input should be a valid dictionary';
  if (isRecord(metadata) && Object.keys(metadata).some((name) => name !== 'user_id')) {
    return `metadata.${Object.keys(metadata).find((name) => name !== 'user_id')}: Extra inputs are not permitted`;
  }
  if (tier !== undefined && tier !== 'auto' && tier !== 'standard_only')
    return "service_tier: Input should be 'auto' or 'standard_only'";
  if (cache !== undefined && cache !== null && !isRecord(cache))
    return 'cache_control: Input should be a valid dictionary';
  return undefined;
}

function checkMaxTokens(params: JsonRecord, model: SimModel, name: string, context: JudgeContext): Complaint {
  if (context.lane === 'count') return undefined;
  const asked = params['max_tokens'];
  if (typeof asked !== 'number' || !Number.isInteger(asked)) return 'max_tokens: Input should be a valid integer';
  if (context.lane === 'batch') {
    const unsupported = unsupportedInBatch(params);
    if (unsupported !== undefined) return unsupported;
  }
  if (asked < 0) return 'max_tokens: Input should be greater than or equal to 0';
  const isLong = context.lane === 'batch' && model.longOutput && context.betas.includes(LONG_OUTPUT_BETA);
  const most = isLong ? LONG_OUTPUT_TOKENS_MAX : model.outputTokensMax;
  if (asked <= most) return undefined;
  return `max_tokens: ${asked} > ${most}, which is the maximum allowed number of output tokens for ${name}`;
}

/** Only 2023-06-01 comes here with sampling fields; models newer than 4.6 take their defaults only (facts 0). */
function checkSampling(params: JsonRecord, model: SimModel, context: JudgeContext): Complaint {
  if (context.version === STRICT_VERSION) return undefined;
  for (const name of SAMPLING) {
    const value = params[name];
    if (value === undefined || value === null) continue;
    if (typeof value !== 'number') return `${name}: Input should be a valid number`;
    if (name !== 'top_k' && (value < 0 || value > 1)) return `${name}: range: 0..1`;
    if (model.generation > 4.6 && value !== 1) return `${name}: non-default values are not supported for this model`;
  }
  return undefined;
}

function checkBreakpoints(params: JsonRecord): Complaint {
  const found = countBreakpoints(params);
  if (found <= BREAKPOINTS_MAX) return undefined;
  return `A maximum of ${BREAKPOINTS_MAX} blocks with cache_control may be provided. Found ${found}.`;
}

function checkLength(params: JsonRecord, model: SimModel, bytesOf: TextBytes): Complaint {
  const tokens = promptTokens(params, bytesOf);
  if (tokens <= model.contextTokens) return undefined;
  return `prompt is too long: ${tokens} tokens > ${model.contextTokens} maximum`;
}
