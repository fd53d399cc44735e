/**
 * GET /v1/organizations/rate_limits and /v1/organizations/workspaces/{id}/rate_limits: what the limits are, for whoever
 * has an admin key (facts 3.6; shapes of SDK 1.10.0). Under the older version the group is a plain field `group_type`.
 *
 * What stands here is what buckets.ts and batch-create.ts enforce.
 */
import { lifecycleAt, MODELS, STRICT_VERSION, type MessageLimits, type SimModel } from './catalogue.ts';
import { DEFAULT_ORGANIZATION, DEFAULT_WORKSPACE } from './caller.ts';
import type { Caller, SimContext } from './context.ts';
import { sha256Hex } from './draw.ts';
import { invalidRequest, jsonResponse, refusalOf, type SimResponse } from './http.ts';
import { messageLimits } from './limits-book.ts';

interface Limit {
  readonly type: string;
  readonly value: number;
}

interface Group {
  readonly type: 'batch' | 'model_group' | 'token_count';
  readonly name: string;
  readonly displayName?: string;
  /** Ids and aliases; null for other groups than those of models. */
  readonly models: readonly string[] | null;
  readonly limits: readonly Limit[];
  readonly rateClass?: string;
}

const GROUP_TYPES = ['batch', 'files', 'model_group', 'skills', 'token_count', 'web_search'];
const PAGE_MAX = 1_000;

export function organizationRateLimits(context: SimContext, caller: Caller): SimResponse {
  const { query, organization } = caller;
  const model = query.get('model');
  const groups = ofType(groupsOf(context, organization), query).filter(
    ({ models }) => model === null || (models?.includes(model) ?? false),
  );
  if (model !== null && groups.length === 0) throw refusalOf(404, `model: ${model}`);
  const entries = groups.map((group) => ({
    id: idOf('rl', `${organization}|${group.name}`),
    type: 'rate_limit',
    ...groupJson(group, caller),
    models: group.models,
    limits: group.limits,
  }));
  return jsonResponse(page(entries, query));
}

export function workspaceRateLimits(context: SimContext, caller: Caller, workspace: string): SimResponse {
  const { query, organization } = caller;
  if (!isWorkspaceOf(context, organization, workspace)) throw refusalOf(404, `workspace_id: ${workspace}`);
  if (query.get('model') !== null) throw invalidRequest('model: Extra inputs are not permitted');
  const inherits = query.get('include_inherited') === 'true';
  const entries = ofType(groupsOf(context, organization), query).flatMap((group) => {
    const set = limitsOf(context.limits.ofWorkspace(workspace, group.rateClass ?? group.type));
    const own = set.map(({ type, value }) => {
      const orgLimit = group.limits.find((limit) => limit.type === type)?.value ?? null;
      return { type, value, org_limit: orgLimit, source: { type: 'workspace' } };
    });
    const inherited = group.limits
      .filter(({ type }) => inherits && set.every((one) => one.type !== type))
      .map(({ type, value }) => ({ type, value, org_limit: value, source: { type: 'organization' } }));
    if (own.length + inherited.length === 0) return [];
    return [
      {
        rate_limit_id: idOf('rl', `${organization}|${group.name}`),
        type: 'workspace_rate_limit',
        workspace_id: workspace,
        ...groupJson(group, caller),
        models: group.models,
        limits: [...own, ...inherited],
      },
    ];
  });
  return jsonResponse(page(entries, query));
}

function groupsOf(context: SimContext, organization: string): Group[] {
  const limits = context.limits.of(organization);
  const ofModels = [...groupByClass(context)].map(([rateClass, models]): Group => {
    const [first] = models;
    return {
      type: 'model_group',
      name: rateClass,
      displayName: first?.displayName ?? rateClass,
      models: models.flatMap(({ id, alias }) => (alias === undefined ? [id] : [id, alias])),
      limits: first === undefined ? [] : limitsOf(messageLimits(limits, first)),
      rateClass,
    };
  });
  const batch = [
    { type: 'enqueued_batch_requests', value: limits.batchQueueMax },
    { type: 'requests_per_minute', value: limits.batchRpm },
  ];
  const count = [{ type: 'requests_per_minute', value: limits.countTokensRpm }];
  return [
    ...ofModels,
    { type: 'batch', name: 'batch', models: null, limits: batch },
    { type: 'token_count', name: 'token_count', models: null, limits: count },
  ];
}

function groupByClass(context: SimContext): ReadonlyMap<string, SimModel[]> {
  const groups = new Map<string, SimModel[]>();
  for (const model of MODELS) {
    if (lifecycleAt(model, context.clock.now()) === 'retired') continue;
    groups.set(model.rateClass, [...(groups.get(model.rateClass) ?? []), model]);
  }
  return groups;
}

function limitsOf(limits: Partial<MessageLimits>): Limit[] {
  const { rpm, itpm, otpm, tpm, tpd } = limits;
  const named: [string, number | undefined][] = [
    ['requests_per_minute', rpm],
    ['input_tokens_per_minute', itpm],
    ['output_tokens_per_minute', otpm],
    ['tokens_per_minute', tpm],
    ['tokens_per_day', tpd],
  ];
  return named.flatMap(([type, value]) => (value === undefined ? [] : [{ type, value }]));
}

function groupJson(group: Group, caller: Caller): Readonly<Record<string, unknown>> {
  if (caller.version !== STRICT_VERSION) return { group_type: group.type };
  const display = group.displayName === undefined ? {} : { display_name: group.displayName };
  return { group: { id: idOf('rlg', group.name), type: group.type, ...display } };
}

function ofType(groups: readonly Group[], query: URLSearchParams): readonly Group[] {
  const asked = query.get('group_type');
  if (asked !== null && !GROUP_TYPES.includes(asked)) throw invalidRequest('group_type: Input should be a valid group');
  return asked === null ? groups : groups.filter(({ type }) => type === asked);
}

/** Without `limit` everything is one page; the cursor is opaque to the client and a place in the list to us. */
function page<T>(entries: readonly T[], query: URLSearchParams): { data: readonly T[]; next_page: string | null } {
  const limit = Number(query.get('limit') ?? PAGE_MAX);
  const from = Number(/^page_(\d+)$/.exec(query.get('page') ?? 'page_0')?.[1] ?? Number.NaN);
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX)
    throw invalidRequest('limit: Input should be 1 to 1000');
  if (!Number.isInteger(from)) throw invalidRequest('page: Input should be a valid cursor');
  const end = from + limit;
  return { data: entries.slice(from, end), next_page: end < entries.length ? `page_${end}` : null };
}

function isWorkspaceOf(context: SimContext, organization: string, workspace: string): boolean {
  if (organization === DEFAULT_ORGANIZATION && workspace === DEFAULT_WORKSPACE) return true;
  return Object.values(context.settings.keys).some(
    (key) =>
      (key.organization ?? DEFAULT_ORGANIZATION) === organization &&
      (key.workspace === workspace || (key.workspaces?.includes(workspace) ?? false)),
  );
}

function idOf(kind: string, name: string): string {
  return `${kind}_${sha256Hex(name).slice(0, 20)}`;
}
