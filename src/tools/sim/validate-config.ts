/**
 * Judges what steers a request: thinking, output_config, tools and tool_choice, cache_control.
 *
 * Part of validate.ts. The rules per model are those of facts section 2 ("Model constraints that make a request
 * error late in a batch").
 */
import type { SimModel } from './catalogue.ts';
import { isArray, isRecord, type JsonRecord } from './json.ts';
import type { Complaint } from './judge.ts';
import { checkSchema } from './validate-schema.ts';

const EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max'];
const TOOL_CHOICES = ['auto', 'any', 'tool', 'none'];
const THINKING_TYPES = ['enabled', 'disabled', 'between_tools', 'adaptive'];
const THINKING_TOKENS_MIN = 1_024;

export function checkThinking(params: JsonRecord, model: SimModel): Complaint {
  const thinking = params['thinking'];
  const effort = checkOutputConfig(params['output_config']);
  if (effort !== undefined) return effort;
  if (thinking === undefined) return undefined;
  if (!isRecord(thinking)) return 'thinking: Input should be a valid dictionary';
  const type = thinking['type'];
  if (typeof type !== 'string' || !THINKING_TYPES.includes(type)) {
    return `thinking: Input tag '${String(type)}' found using 'type' does not match any of the expected tags: ${THINKING_TYPES.join(', ')}`;
  }
  if (type === 'enabled') return checkBudget(params, thinking, model);
  if (type === 'adaptive' && model.generation <= 4.5) return 'adaptive thinking is not supported on this model';
  if (type === 'disabled' && model.refusesThinkingOff)
    return '"thinking.type.disabled" is not supported for this model';
  return undefined;
}

function checkBudget(params: JsonRecord, thinking: JsonRecord, model: SimModel): Complaint {
  if (model.generation >= 4.7) {
    return '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.';
  }
  const budget = thinking['budget_tokens'];
  if (budget === undefined) return 'thinking.enabled.budget_tokens: Field required';
  if (typeof budget !== 'number' || !Number.isInteger(budget)) {
    return 'thinking.enabled.budget_tokens: Input should be a valid integer';
  }
  if (budget < THINKING_TOKENS_MIN) {
    return `thinking.enabled.budget_tokens: Input should be greater than or equal to ${THINKING_TOKENS_MIN}`;
  }
  const maxTokens = params['max_tokens'];
  if (typeof maxTokens === 'number' && budget >= maxTokens) {
    return '`max_tokens` must be greater than `thinking.budget_tokens`.';
  }
  return undefined;
}

function checkOutputConfig(config: unknown): Complaint {
  if (config === undefined || config === null) return undefined;
  if (!isRecord(config)) return 'output_config: Input should be a valid dictionary';
  const { effort, format } = config;
  const extra = Object.keys(config).find((name) => name !== 'effort' && name !== 'format');
  if (extra !== undefined) return `output_config.${extra}: Extra inputs are not permitted`;
  if (effort !== undefined && effort !== null && !(typeof effort === 'string' && EFFORTS.includes(effort))) {
    return `output_config.effort: Input should be ${EFFORTS.map((name) => `'${name}'`).join(', ')}`;
  }
  if (format === undefined || format === null) return undefined;
  if (!isRecord(format) || format['type'] !== 'json_schema')
    return "output_config.format.type: Input should be 'json_schema'";
  const { schema } = format;
  if (!isRecord(schema)) return 'output_config.format.schema: Field required';
  return checkSchema(schema, 'output_config.format.schema');
}

export function checkTools(params: JsonRecord, model: SimModel): Complaint {
  const { tools, tool_choice: choice } = params;
  if (tools !== undefined && !isArray(tools)) return 'tools: Input should be a valid list';
  const names = new Set<string>();
  for (const [at, tool] of (isArray(tools) ? tools : []).entries()) {
    if (!isRecord(tool)) return `tools.${at}: Input should be a valid dictionary`;
    const isCustom = tool['type'] === undefined || tool['type'] === 'custom';
    if (isCustom && typeof tool['name'] !== 'string') return `tools.${at}.custom.name: Field required`;
    if (isCustom && !isRecord(tool['input_schema'])) return `tools.${at}.custom.input_schema: Field required`;
    const name = String(tool['name'] ?? tool['type']);
    if (names.has(name)) return 'tools: Tool names must be unique.';
    names.add(name);
  }
  if (choice === undefined || choice === null) return undefined;
  if (!isRecord(choice)) return 'tool_choice: Input should be a valid dictionary';
  if (!TOOL_CHOICES.includes(String(choice['type']))) {
    return `tool_choice: Input tag '${String(choice['type'])}' found using 'type' does not match any of the expected tags: ${TOOL_CHOICES.join(', ')}`;
  }
  const isForced = choice['type'] === 'any' || choice['type'] === 'tool';
  if (isForced && model.refusesForcedTools)
    return `tool_choice: type '${String(choice['type'])}' is not supported for this model`;
  if (names.size === 0 && choice['type'] !== 'none') {
    return 'tool_choice: tool_choice may only be specified while providing tools';
  }
  if (choice['type'] === 'tool' && !names.has(String(choice['name']))) {
    return `tool_choice: Tool '${String(choice['name'])}' not found in provided tools`;
  }
  return undefined;
}

/** How many blocks of the request carry cache_control; the top-level one stands for one more. */
export function countBreakpoints(params: JsonRecord): number {
  let found = isRecord(params['cache_control']) ? 1 : 0;
  const count = (blocks: unknown): void => {
    for (const block of isArray(blocks) ? blocks : []) {
      if (isRecord(block) && isRecord(block['cache_control'])) found++;
    }
  };
  count(params['tools']);
  count(params['system']);
  for (const message of isArray(params['messages']) ? params['messages'] : []) {
    if (isRecord(message)) count(message['content']);
  }
  return found;
}
