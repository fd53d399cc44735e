/**
 * Rewrites what other tools and older examples write into what the API takes, where the meaning is beyond doubt:
 * leading system messages move into `system`, a message's own `cache_control` moves onto its last block, `stream:
 * false` goes, and with --drop-unsupported the parameters that batches or this API version refuse go too.
 *
 * The row's own objects are never changed: what has to differ is copied. Each rewriting is said by a notice.
 */
import type { RowNotice } from '../source.ts';
import type { Findings } from './findings.ts';
import { SAMPLING_PARAMS } from './param-names.ts';
import { isObject } from './shape.ts';
import type { JsonObject } from './shape.ts';

const STREAM_DROPPED: RowNotice = {
  code: 'stream_dropped',
  message: '"stream": false was taken out: a batch never streams',
};
const SYSTEM_MOVED: RowNotice = {
  code: 'system_moved',
  message: 'a leading system message was moved into the top-level system parameter, where Claude takes it',
};
const CACHE_CONTROL_MOVED: RowNotice = {
  code: 'cache_control_moved',
  message: 'a cache_control on a message was moved onto the last block of its content, where the API takes it',
};
const DROPPED: ReadonlyMap<string, RowNotice> = new Map(
  [...SAMPLING_PARAMS, 'stream', 'speed'].map((name) => [
    name,
    { code: `${name}_dropped`, message: `${name} was taken out (--drop-unsupported)` },
  ]),
);

export function normalizeParams(
  params: JsonObject,
  options: { readonly dropUnsupported: boolean },
  findings: Findings,
): JsonObject {
  const kept = dropParams(params, options.dropUnsupported, findings);
  const { messages } = kept;
  if (!Array.isArray(messages)) return kept;
  const moved = moveSystem(kept, messages, findings);
  return moveCacheControl(moved, findings);
}

function dropParams(params: JsonObject, dropUnsupported: boolean, findings: Findings): JsonObject {
  let dropped: string[] | undefined;
  for (const name of SAMPLING_PARAMS) {
    if (!Object.hasOwn(params, name)) continue;
    if (dropUnsupported) (dropped ??= []).push(name);
    else findings.problem('unsupported_param', `${name} is refused since API version 2026-10-21: ${HOW_TO_DROP}`);
  }
  for (const name of ['stream', 'speed']) {
    if (!Object.hasOwn(params, name)) continue;
    if (dropUnsupported || (name === 'stream' && params[name] === false)) (dropped ??= []).push(name);
    else findings.problem('unsupported_param', `${name} is refused in a batch: ${HOW_TO_DROP}`);
  }
  if (dropped === undefined) return params;
  for (const name of dropped) {
    const notice = name === 'stream' && params[name] === false ? STREAM_DROPPED : DROPPED.get(name);
    if (notice) findings.notice(notice);
  }
  return Object.fromEntries(Object.entries(params).filter(([name]) => !dropped.includes(name)));
}

const HOW_TO_DROP = 'take it out of the row, or let --drop-unsupported do it';

/** The top-level `system` first, then the messages in their order: that is how they would have been read. */
function moveSystem(params: JsonObject, messages: readonly unknown[], findings: Findings): JsonObject {
  let count = 0;
  while (isMovable(messages[count])) count++;
  if (count === 0) return params;
  const leading = messages.slice(0, count).filter(isObject);
  const own = Object.hasOwn(params, 'system') ? params['system'] : undefined;
  // A system of the wrong type is for check-params.ts to refuse: it must not be hidden by what moves.
  if (own !== undefined && typeof own !== 'string' && !Array.isArray(own)) return params;
  const plain = leading.every((message) => typeof message['content'] === 'string' && !hasCacheControl(message));
  const texts = [own, ...leading.map((message) => message['content'])].filter(
    (text) => text !== undefined && text !== '',
  );
  const system =
    plain && !Array.isArray(own)
      ? texts.join('\n\n')
      : [...blocksOf(own), ...leading.flatMap((message) => blocksWithCacheControl(message))];
  findings.notice(SYSTEM_MOVED);
  const rest: Record<string, unknown> = { ...params, messages: messages.slice(count) };
  if (system.length > 0) rest['system'] = system;
  return rest;
}

function isMovable(message: unknown): boolean {
  if (!isObject(message) || message['role'] !== 'system') return false;
  return typeof message['content'] === 'string' || Array.isArray(message['content']);
}

function moveCacheControl(params: JsonObject, findings: Findings): JsonObject {
  const messages = params['messages'] as readonly unknown[];
  if (!messages.some((message) => isObject(message) && hasCacheControl(message))) return params;
  const moved = messages.map((message) => {
    if (!isObject(message) || !hasCacheControl(message) || blocksOf(message['content']).length === 0) return message;
    findings.notice(CACHE_CONTROL_MOVED);
    const rest: Record<string, unknown> = { ...message, content: blocksWithCacheControl(message) };
    delete rest['cache_control'];
    return rest;
  });
  return { ...params, messages: moved };
}

function hasCacheControl(message: JsonObject): boolean {
  return Object.hasOwn(message, 'cache_control');
}

function blocksOf(content: unknown): readonly unknown[] {
  if (Array.isArray(content)) return content;
  return typeof content === 'string' && content !== '' ? [{ type: 'text', text: content }] : [];
}

/** A block's own cache_control stays as it is. */
function blocksWithCacheControl(message: JsonObject): readonly unknown[] {
  const blocks = blocksOf(message['content']);
  const last = blocks.at(-1);
  if (!hasCacheControl(message) || !isObject(last) || Object.hasOwn(last, 'cache_control')) return blocks;
  return [...blocks.slice(0, -1), { ...last, cache_control: message['cache_control'] }];
}
