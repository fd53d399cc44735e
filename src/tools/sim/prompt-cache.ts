/**
 * Prompt caching, as simple as it can be and still cost what it costs.
 *
 * Each cache_control block ends a prefix (tools, then system, then messages). A prefix that was written before and
 * has not run out is read; the rest up to the last block is written. What a batch writes can be read only after
 * that batch has ended: inside a cold batch every row writes and pays for it, which is what users measured
 * (facts section 10, bike4mind#2741).
 */
import { findModel } from './catalogue.ts';
import { sha256Hex } from './draw.ts';
import { isArray, isRecord, type JsonRecord } from './json.ts';
import { promptTokens, textBytes, tokensOfBytes, type TextBytes } from './prompt.ts';
import { countBreakpoints } from './validate-config.ts';

export interface InputUse {
  /** Neither read from nor written to the cache. */
  readonly plain: number;
  readonly write5m: number;
  readonly write1h: number;
  readonly read: number;
}

export interface PromptCache {
  /** Counts the input of a request at this time. Nothing is written before `keep` is called. */
  look(scope: string, params: JsonRecord, nowMs: number): CacheLook;
}

export interface CacheLook {
  readonly input: InputUse;
  /** Call when the request is accepted: its prefixes can be read from that time on. Undefined: it caches nothing. */
  readonly keep: ((readableFromMs: number) => void) | undefined;
}

interface Prefix {
  readonly hash: string;
  readonly tokens: number;
  readonly ttl: '5m' | '1h';
}

interface Entry {
  readonly fromMs: number;
  readonly untilMs: number;
}

const TTL_MS = { '5m': 300_000, '1h': 3_600_000 } as const;

/** Inputs that use no cache are kept once for each size: a batch holds 100,000 of them. */
const SHARED_MAX = 100_000;

export function createPromptCache(bytesOf: TextBytes): PromptCache {
  const entries = new Map<string, Entry>();
  const shared = new Map<number, InputUse>();

  const plainUse = (plain: number): InputUse => {
    const known = shared.get(plain);
    if (known !== undefined) return known;
    const use = { plain, write5m: 0, write1h: 0, read: 0 };
    if (shared.size < SHARED_MAX) shared.set(plain, use);
    return use;
  };

  const readable = (key: string, nowMs: number): boolean => {
    const entry = entries.get(key);
    return entry !== undefined && entry.fromMs <= nowMs && nowMs < entry.untilMs;
  };

  const write = (key: string, nowMs: number, readableFromMs: number, ttlMs: number): void => {
    const known = entries.get(key);
    // A read prolongs the entry; an entry that another row of the same cold batch wrote stays as it is.
    if (readable(key, nowMs)) entries.set(key, { fromMs: known?.fromMs ?? nowMs, untilMs: nowMs + ttlMs });
    else if (known === undefined || known.untilMs <= nowMs || known.fromMs > readableFromMs) {
      entries.set(key, { fromMs: readableFromMs, untilMs: readableFromMs + ttlMs });
    }
  };

  return {
    look(scope, params, nowMs) {
      const total = promptTokens(params, bytesOf);
      const model = typeof params['model'] === 'string' ? params['model'] : '';
      const tokensMin = findModel(model)?.cacheTokensMin ?? 1_024;
      const prefixes = prefixesOf(params, bytesOf).filter((prefix) => prefix.tokens >= tokensMin);
      const last = prefixes.at(-1);
      if (last === undefined) return { input: plainUse(total), keep: undefined };
      const keyOf = (prefix: Prefix): string => `${scope}|${model}|${prefix.hash}`;
      const read = prefixes.findLast((prefix) => readable(keyOf(prefix), nowMs))?.tokens ?? 0;
      const written = last.tokens - read;
      const plain = Math.max(total - last.tokens, 0);
      const input = { plain, write5m: last.ttl === '5m' ? written : 0, write1h: last.ttl === '1h' ? written : 0, read };
      const keep = (readableFromMs: number): void => {
        for (const prefix of prefixes) write(keyOf(prefix), nowMs, readableFromMs, TTL_MS[prefix.ttl]);
      };
      return { input, keep };
    },
  };
}

function prefixesOf(params: JsonRecord, bytesOf: TextBytes): Prefix[] {
  // Most requests cache nothing: they are not worth a hash.
  if (countBreakpoints(params) === 0) return [];
  const prefixes: Prefix[] = [];
  let bytes = 0;
  let seen = '';
  const take = (block: unknown): void => {
    bytes += textBytes(block, bytesOf);
    seen = sha256Hex(`${seen}${JSON.stringify(block)}`);
    const ttl = ttlOf(block);
    if (ttl !== undefined) prefixes.push({ hash: seen, tokens: tokensOfBytes(bytes), ttl });
  };
  for (const block of blocksOf(params['tools'])) take(block);
  for (const block of blocksOf(params['system'])) take(block);
  for (const message of blocksOf(params['messages'])) {
    for (const block of isRecord(message) ? blocksOf(message['content']) : []) take(block);
  }
  // The top-level cache_control stands for one on the last block.
  const ttl = ttlOf(params);
  if (ttl !== undefined) prefixes.push({ hash: seen, tokens: tokensOfBytes(bytes), ttl });
  return prefixes;
}

function blocksOf(value: unknown): readonly unknown[] {
  if (typeof value === 'string') return [value];
  return isArray(value) ? value : [];
}

function ttlOf(block: unknown): '5m' | '1h' | undefined {
  const control = isRecord(block) ? block['cache_control'] : undefined;
  if (!isRecord(control)) return undefined;
  return control['ttl'] === '1h' ? '1h' : '5m';
}
