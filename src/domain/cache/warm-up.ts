/**
 * The request that writes a prefix to the cache before a batch reads it: made from a row that was marked, everything up
 * to its mark, a turn of the user that says next to nothing, and no answer (`max_tokens: 0`, MessageCreateParams of SDK
 * 1.10.0: "populate the prompt cache without generating a response").
 */
import { isObject, type JsonObject } from '../row/shape.ts';
import { blocksOf, keyOf, steeringOf, type PrefixMessage } from './blocks.ts';

/** Not white space, and nothing that a model would have to answer. */
const TURN = { type: 'text', text: '.' } as const;

export interface MarkedRow {
  readonly key: string;
  readonly model: string;
  /** UTF-8 bytes of the prefix as it would be sent. */
  readonly warmUp: JsonObject;
}

/** Of a row with one mark: whose prefix it has, and the request that writes it. Null where it has none. */
export function readMarkedRow(params: JsonObject): MarkedRow | null {
  const { model } = params;
  if (typeof model !== 'string') return null;
  const tools = upToMark(params['tools']);
  const system = tools?.isMarked === true ? EMPTY : upToMark(params['system']);
  if (!tools || !system) return null;
  const messages: PrefixMessage[] = [];
  let isMarked = tools.isMarked || system.isMarked;
  const list = Array.isArray(params['messages']) ? (params['messages'] as unknown[]) : [];
  for (let at = 0; at < list.length && !isMarked; at++) {
    const message = list[at];
    const content = isObject(message) ? upToMark(message['content']) : null;
    if (!isObject(message) || !content || typeof message['role'] !== 'string') return null;
    messages.push({ role: message['role'], blocks: content.blocks });
    isMarked = content.isMarked;
  }
  if (!isMarked) return null;
  const parts = { model, steering: steeringOf(params), tools: tools.blocks, system: system.blocks };
  const prefix = { ...parts, messages: messages.map(({ role, blocks }) => ({ role, blocks: blocks.map(unmarked) })) };
  const key = keyOf({ ...prefix, tools: tools.blocks.map(unmarked), system: system.blocks.map(unmarked) });
  return { key, model, warmUp: warmUpOf(params, { tools: tools.blocks, system: system.blocks, messages }) };
}

/** The same with an answer of one token, for an API that does not take 0. */
export function withOneToken(warmUp: JsonObject): JsonObject {
  return warmUp['max_tokens'] === 0 ? { ...warmUp, max_tokens: 1 } : warmUp;
}

interface UpToMark {
  readonly blocks: readonly JsonObject[];
  readonly isMarked: boolean;
}

const EMPTY: UpToMark = { blocks: [], isMarked: false };

function upToMark(content: unknown): UpToMark | null {
  if (content === undefined || content === null) return EMPTY;
  const blocks = blocksOf(content);
  if (!blocks) return null;
  const at = blocks.findIndex((block) => block['cache_control'] !== undefined);
  return at < 0 ? { blocks, isMarked: false } : { blocks: blocks.slice(0, at + 1), isMarked: true };
}

function unmarked(block: JsonObject): JsonObject {
  const { cache_control: _mark, ...rest } = block;
  return rest;
}

interface Parts {
  readonly tools: readonly JsonObject[];
  readonly system: readonly JsonObject[];
  readonly messages: readonly PrefixMessage[];
}

function warmUpOf(params: JsonObject, { tools, system, messages }: Parts): JsonObject {
  const { model, thinking, tool_choice: choice, output_config: config, inference_geo: geo } = params;
  const inMessages = messages.length > 0;
  // Before the messages the cache does not depend on them, and with them no request may be without an answer.
  const keepsThinking = inMessages && thinking !== undefined;
  const keepsChoice = inMessages && choice !== undefined && tools.length > 0;
  const needsAnswer = isThinking(thinking) && keepsThinking;
  return {
    model,
    max_tokens: needsAnswer ? params['max_tokens'] : hasFormat(config) || (keepsChoice && isForced(choice)) ? 1 : 0,
    ...(tools.length > 0 ? { tools } : {}),
    ...(system.length > 0 ? { system } : {}),
    ...(keepsThinking ? { thinking } : {}),
    ...(keepsChoice ? { tool_choice: choice } : {}),
    ...(config === undefined ? {} : { output_config: config }),
    ...(geo === undefined ? {} : { inference_geo: geo }),
    messages: withTurn(messages),
  };
}

/** What follows the mark is the user's: in the same turn where that is the user's already. */
function withTurn(messages: readonly PrefixMessage[]): readonly JsonObject[] {
  const all = messages.map(({ role, blocks }): JsonObject => ({ role, content: blocks }));
  const last = messages.at(-1);
  if (last?.role !== 'user') return [...all, { role: 'user', content: [TURN] }];
  return [...all.slice(0, -1), { role: 'user', content: [...last.blocks, TURN] }];
}

function isThinking(thinking: unknown): boolean {
  return isObject(thinking) && thinking['type'] !== 'disabled';
}

function isForced(choice: unknown): boolean {
  return isObject(choice) && (choice['type'] === 'any' || choice['type'] === 'tool');
}

function hasFormat(config: unknown): boolean {
  return isObject(config) && config['format'] !== undefined && config['format'] !== null;
}
