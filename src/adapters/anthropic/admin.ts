/**
 * Reads the limits of an organization and of one workspace from the Admin API, through the SDK. It only looks, and it
 * never retries: without its answer batchrun learns the limits from the headers of others.
 */
import Anthropic from '@anthropic-ai/sdk';
import type { Clock } from '../../base/clock.ts';
import type { AdminBatchLimits, AdminLimits, AdminModelLimits } from '../../domain/pacing/admin-limits.ts';
import { toApiError, unreadable } from './failure.ts';
import { createNodeFetch } from './node-fetch.ts';
import { ownSignal } from './own-signal.ts';
import { asJson, parseJson } from './parse.ts';
import { ratesOf } from './rate-headers.ts';

export interface AdminLimitsQuestion {
  readonly adminKey: string;
  /** Null: the API's own, or what the environment says. */
  readonly baseURL: string | null;
  /** Null, or one that the organization does not know: only the organization's limits. */
  readonly workspace: string | null;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** For simulations without sockets; else a fetch of our own. */
  readonly fetch?: typeof fetch;
}

const TIMEOUT_MS = 60_000;
/** A thousand entries a page, and an organization has some twenty. */
const PAGE_ENTRIES = 1_000;
const PAGES_MAX = 5;

/** One group by its kind and its models, in either version of the API. */
interface Entry {
  readonly kind: string;
  readonly models: readonly string[];
  readonly limits: ReadonlyMap<string, number>;
}

/** Failures are E_API; `isAdminKeyRefused` tells those that are about the key. */
export async function readAdminLimits(asked: AdminLimitsQuestion): Promise<AdminLimits> {
  const own = ownSignal(asked.signal);
  const question = { ...asked, signal: own.signal };
  const { clock, workspace } = question;
  const client = new Anthropic({
    apiKey: question.adminKey,
    // Another credential in the environment must not go along, nor the SDK's log to stdout, which is data.
    authToken: null,
    logLevel: 'off',
    maxRetries: 0,
    timeout: TIMEOUT_MS,
    ...(question.baseURL === null ? {} : { baseURL: question.baseURL }),
    fetch: question.fetch ?? createNodeFetch({ clock }),
  });
  try {
    const { entries, organization } = await readEntries(client, '/v1/organizations/rate_limits', question);
    const path =
      workspace === null ? null : `/v1/organizations/workspaces/${encodeURIComponent(workspace)}/rate_limits`;
    const overrides = path === null ? [] : await readWorkspace(client, path, question);
    return toLimits(
      entries.map((entry) => lowered(entry, overrides)),
      organization,
    );
  } catch (error) {
    throw toApiError(error, clock.now());
  } finally {
    own.release();
  }
}

async function readWorkspace(client: Anthropic, path: string, question: AdminLimitsQuestion): Promise<Entry[]> {
  try {
    return (await readEntries(client, path, question)).entries;
  } catch (error) {
    // The default workspace cannot be set lower, and a fingerprint of a key is none: nothing is set.
    if (typeof error === 'object' && error !== null && 'status' in error && error.status === 404) return [];
    throw error;
  }
}

async function readEntries(
  client: Anthropic,
  path: string,
  { clock, signal }: AdminLimitsQuestion,
): Promise<{ entries: Entry[]; organization: string | null }> {
  const entries: Entry[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const query: Record<string, string | number> = {
      limit: PAGE_ENTRIES,
      ...(cursor === null ? {} : { page: cursor }),
    };
    const response = await client.get(path, { query, signal, maxRetries: 0 }).asResponse();
    const { organization } = ratesOf(response.headers, clock.now());
    const page = parsePage(await response.text());
    entries.push(...page.entries);
    cursor = page.next;
    if (cursor === null) return { entries, organization };
  }
  throw unreadable('the look at the limits');
}

function parsePage(body: string): { entries: Entry[]; next: string | null } {
  const page = parseJson(body);
  const data = page?.['data'];
  if (!Array.isArray(data)) throw unreadable('the look at the limits');
  const next = page?.['next_page'];
  return { entries: data.map(toEntry), next: typeof next === 'string' && next !== '' ? next : null };
}

/** Before version 2026-10-21 the kind of a group was a field `group_type`. */
function toEntry(value: unknown): Entry {
  const entry = asJson(value);
  const kind = asJson(entry?.['group'])?.['type'] ?? entry?.['group_type'];
  const models = Array.isArray(entry?.['models']) ? entry['models'] : [];
  const limits = new Map<string, number>();
  for (const limit of Array.isArray(entry?.['limits']) ? entry['limits'].map(asJson) : []) {
    const amount = limit?.['value'];
    if (typeof limit?.['type'] === 'string' && isCount(amount)) limits.set(limit['type'], amount);
  }
  return {
    kind: typeof kind === 'string' ? kind : '',
    models: models.filter((model): model is string => typeof model === 'string'),
    limits,
  };
}

/** What a workspace was set to is enforced beside the organization's own: the lower one holds. */
function lowered(entry: Entry, overrides: readonly Entry[]): Entry {
  const limits = new Map(entry.limits);
  for (const set of overrides.filter((one) => isSameGroup(one, entry))) {
    for (const [type, value] of set.limits) limits.set(type, Math.min(value, limits.get(type) ?? value));
  }
  return { ...entry, limits };
}

/** By what is in it: a workspace may see fewer models of a group, and older answers have no ids. */
function isSameGroup(one: Entry, other: Entry): boolean {
  if (one.kind !== other.kind) return false;
  return one.kind !== 'model_group' || one.models.some((model) => other.models.includes(model));
}

function toLimits(entries: readonly Entry[], organization: string | null): AdminLimits {
  const groups = entries.filter(({ kind }) => kind === 'model_group').map(toModelLimits);
  const batch = entries.find(({ kind }) => kind === 'batch')?.limits ?? new Map<string, number>();
  return { organization, groups, batch: toBatchLimits(batch) };
}

function toModelLimits({ models, limits }: Entry): AdminModelLimits {
  const limit = (type: string): number | null => limits.get(type) ?? null;
  return {
    models,
    requestsPerMinute: limit('requests_per_minute'),
    inputTokensPerMinute: limit('input_tokens_per_minute'),
    inputTokensPerMinuteCacheAware: limit('input_tokens_per_minute_cache_aware'),
    outputTokensPerMinute: limit('output_tokens_per_minute'),
    tokensPerMinute: limit('tokens_per_minute'),
    tokensPerDay: limit('tokens_per_day'),
  };
}

function toBatchLimits(limits: ReadonlyMap<string, number>): AdminBatchLimits {
  return {
    queuedRequests: limits.get('enqueued_batch_requests') ?? null,
    requestsPerMinute: limits.get('requests_per_minute') ?? null,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
