/**
 * The API's answers in the words of the domain. Tolerant of keys that are missing or new; an answer that is not what
 * the documentation describes is `unreadable`, and whoever asked decides what that means.
 */
import type { BatchInfo, ProcessingStatus, RequestCounts } from '../../domain/model.ts';
import type { BatchPage, ModelInfo } from '../../domain/ports.ts';
import { unreadable } from './failure.ts';

export type Json = Readonly<Record<string, unknown>>;

export function parseBatch(body: string, what: string): BatchInfo {
  const batch = toBatchInfo(parseJson(body));
  if (!batch) throw unreadable(what);
  return batch;
}

export function parsePage(body: string): Omit<BatchPage, 'retryAfterMs' | 'serverTimeMs'> {
  const page = parseJson(body);
  const data = page?.['data'];
  if (!page || !Array.isArray(data)) throw unreadable('the list of batches');
  const batches = data.map((item) => toBatchInfo(asJson(item)));
  if (batches.includes(null)) throw unreadable('the list of batches');
  return {
    batches: batches.filter((batch) => batch !== null),
    hasMore: page['has_more'] === true,
    lastId: typeof page['last_id'] === 'string' ? page['last_id'] : null,
  };
}

export function parseModel(body: string): ModelInfo {
  const model = parseJson(body);
  if (!model || typeof model['id'] !== 'string') throw unreadable('the look at a model');
  const { lifecycle } = model;
  const capabilities = supported(asJson(model['capabilities']));
  return {
    id: model['id'],
    lifecycle: lifecycle === 'active' || lifecycle === 'deprecated' || lifecycle === 'retired' ? lifecycle : null,
    deprecatedAtMs: dateMs(model['deprecated_at']),
    retiresAtMs: dateMs(model['retires_at']),
    contextTokens: countOrNull(model['max_input_tokens']),
    maxTokens: countOrNull(model['max_tokens']),
    batchSupported: capabilities['batch'] ?? null,
    capabilities,
  };
}

/** Capabilities lie in each other: each with its path, `thinking.types.enabled`. */
function supported(capabilities: Json | null, path = ''): Record<string, boolean> {
  const found: Record<string, boolean> = {};
  for (const [name, value] of Object.entries(capabilities ?? {})) {
    const capability = asJson(value);
    if (!capability) continue;
    if (typeof capability['supported'] === 'boolean') found[path + name] = capability['supported'];
    Object.assign(found, supported(capability, `${path}${name}.`));
  }
  return found;
}

function countOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function toBatchInfo(batch: Json | null): BatchInfo | null {
  const counts = asJson(batch?.['request_counts']);
  const status = batch?.['processing_status'];
  const createdAtMs = dateMs(batch?.['created_at']);
  if (!batch || !counts || typeof batch['id'] !== 'string' || !isStatus(status) || createdAtMs === null) return null;
  return {
    id: batch['id'],
    status,
    counts: toCounts(counts),
    createdAtMs,
    expiresAtMs: dateMs(batch['expires_at']) ?? createdAtMs + 24 * 3_600_000,
    endedAtMs: dateMs(batch['ended_at']),
    archivedAtMs: dateMs(batch['archived_at']),
    resultsUrl: typeof batch['results_url'] === 'string' ? batch['results_url'] : null,
  };
}

function toCounts(counts: Json): RequestCounts {
  const count = (name: string): number => (typeof counts[name] === 'number' ? counts[name] : 0);
  return {
    processing: count('processing'),
    succeeded: count('succeeded'),
    errored: count('errored'),
    canceled: count('canceled'),
    expired: count('expired'),
  };
}

function isStatus(value: unknown): value is ProcessingStatus {
  return value === 'in_progress' || value === 'canceling' || value === 'ended';
}

export function parseJson(body: string): Json | null {
  try {
    return asJson(JSON.parse(body));
  } catch {
    return null;
  }
}

export function asJson(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

function dateMs(value: unknown): number | null {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}
