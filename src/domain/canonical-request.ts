/**
 * When two requests are the same: params (whatever the order of their keys), betas and the version of the API. Marks for
 * the prompt cache are left out: they change what an answer costs, and not what was asked.
 */
import { createHash } from 'node:crypto';

/** The version that the SDK sends (facts/api.md, section 0). Another one may answer otherwise: then nothing is reused. */
const API_VERSION = '2026-10-21';

/** Of a sha-256 half is kept: among 10^12 requests two that differ and look alike are one in 10^14. */
export const REQUEST_HASH_BYTES = 16;

type Json = Readonly<Record<string, unknown>>;

/** The hash of a request by what it asks. `paramsJson` are its final params. */
export function requestHash(paramsJson: string, betas: readonly string[]): Buffer {
  const hash = createHash('sha256');
  hash.update(`${API_VERSION}\t${[...betas].sort().join(',')}\t`);
  const params = JSON.parse(paramsJson) as Json;
  hash.update(paramsJson.includes('"cache_control"') ? canonicalParams(params) : canonicalText(params));
  return hash.digest().subarray(0, REQUEST_HASH_BYTES);
}

/** The params as JSON with sorted keys and without marks for the cache. */
export function canonicalParams(params: Json): string {
  return canonicalText(withoutMarks(params));
}

/**
 * Marks stand on the params, on blocks of the system prompt, on tools and on blocks of messages, also on those within a
 * block. What a tool is called with, or takes, may have a key of that name: that is the user's.
 */
function withoutMarks(params: Json): Json {
  const { cache_control: _mark, ...rest } = params;
  const clean: Record<string, unknown> = { ...rest };
  for (const key of ['system', 'tools']) if (Array.isArray(clean[key])) clean[key] = clean[key].map(withoutMark);
  if (Array.isArray(clean['messages'])) clean['messages'] = clean['messages'].map(withoutMark);
  return clean;
}

function withoutMark(block: unknown): unknown {
  if (typeof block !== 'object' || block === null) return block;
  const { cache_control: _mark, ...rest } = block as Json;
  const { content } = rest;
  return Array.isArray(content) ? { ...rest, content: content.map(withoutMark) } : rest;
}

function canonicalText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  const object = value as Json;
  const keys = Object.keys(object).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalText(object[key])}`).join(',')}}`;
}
