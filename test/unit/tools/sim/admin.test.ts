/**
 * The Admin API of the simulator: who may ask, and that it shows what is enforced (facts/api.md section 3.6).
 */
import { describe, expect, test } from 'vitest';
import { MODELS } from '../../../../src/tools/sim/catalogue.ts';
import type { SimOptions } from '../../../../src/tools/sim/options.ts';
import { bench, MINUTE_MS, paramsOf, type Json, type Reply } from './helpers.ts';

const ADMIN = 'sk-ant-admin01-a';
const PATH = '/v1/organizations/rate_limits';
const keys = {
  k1: { workspace: 'w1', organization: 'org-a', limits: { batchQueueMax: 700, messages: { rpm: 7 } } },
  k2: { workspace: 'w2', organization: 'org-b' },
};

function lab(options: SimOptions = {}) {
  const at = bench({ keys, adminKeys: { [ADMIN]: 'org-a' }, messageLatencyMs: [0, 0], ...options });
  const get = (path = PATH, headers: Record<string, string> = {}): Promise<Reply> =>
    at.call('GET', path, undefined, { 'x-api-key': ADMIN, ...headers });
  return { ...at, get };
}

function data(reply: Reply): Json[] {
  expect(reply.status).toBe(200);
  return reply.json['data'] as Json[];
}

function limitsOf(entry: Json | undefined): Record<string, number> {
  const limits = (entry?.['limits'] ?? []) as { type: string; value: number }[];
  return Object.fromEntries(limits.map(({ type, value }) => [type, value]));
}

describe('who may ask', () => {
  test('an admin key; a usual key is refused with 403, an unknown admin key with 401', async () => {
    const { get, call } = lab();
    expect((await get()).status).toBe(200);
    expect(await get(PATH, { 'x-api-key': 'k1' })).toMatchObject({ status: 403, errorType: 'permission_error' });
    expect(await get(PATH, { 'x-api-key': 'sk-ant-admin01-x' })).toMatchObject({ status: 401 });
    const message = await call('POST', '/v1/messages', paramsOf('x'), { 'x-api-key': ADMIN });
    expect(message).toMatchObject({ status: 401, errorType: 'authentication_error' });
  });

  test('also where only listed keys are served', async () => {
    expect((await lab({ strictKeys: true }).get()).status).toBe(200);
  });
});

describe('an organization', () => {
  test('has one entry for each class of models and for each kind of endpoint', async () => {
    const entries = data(await lab().get());
    const groups = entries.map((entry) => (entry['group'] as { type: string }).type);
    const classes = new Set(MODELS.filter((model) => model.lifecycle !== 'retired').map((model) => model.rateClass));
    expect(groups.filter((type) => type === 'model_group')).toHaveLength(classes.size);
    expect(groups.slice(-2)).toEqual(['batch', 'token_count']);
    expect(new Set(entries.map(({ id }) => id)).size).toBe(entries.length);
    const haiku = entries.find(({ models }) => (models as string[] | null)?.includes('claude-haiku-4-5'));
    expect(haiku).toMatchObject({ type: 'rate_limit', models: ['claude-haiku-4-5-20251001', 'claude-haiku-4-5'] });
    expect(limitsOf(haiku)).toEqual({
      requests_per_minute: 7,
      input_tokens_per_minute: 2_000_000,
      output_tokens_per_minute: 400_000,
    });
  });

  test('can be asked for one kind, or for the class of one model', async () => {
    const { get } = lab();
    const batch = data(await get(`${PATH}?group_type=batch`));
    expect(batch).toMatchObject([{ type: 'rate_limit', group: { type: 'batch' }, models: null }]);
    expect(limitsOf(batch[0])).toEqual({ enqueued_batch_requests: 700, requests_per_minute: 1_000 });
    const opus = data(await get(`${PATH}?model=claude-opus-4-5`));
    expect(opus).toHaveLength(1);
    expect(opus[0]?.['models']).toContain('claude-opus-4-8');
    expect((await get(`${PATH}?model=claude-9`)).status).toBe(404);
    expect((await get(`${PATH}?group_type=nonsense`)).status).toBe(400);
  });

  test('comes in pages where a limit is asked for', async () => {
    const { get } = lab();
    const all = data(await get());
    const seen: Json[] = [];
    let cursor: unknown = null;
    let pages = 0;
    do {
      const reply = await get(`${PATH}?limit=3${typeof cursor === 'string' ? `&page=${cursor}` : ''}`);
      seen.push(...data(reply));
      cursor = reply.json['next_page'];
      pages++;
    } while (cursor !== null);
    expect(seen).toEqual(all);
    expect(pages).toBe(Math.ceil(all.length / 3));
  });

  test('of the older version has a plain group_type', async () => {
    const [first] = data(await lab().get(`${PATH}?group_type=batch`, { 'anthropic-version': '2023-06-01' }));
    expect(first).toMatchObject({ group_type: 'batch' });
    expect(first).not.toHaveProperty('group');
  });

  test('shows what holds now', async () => {
    const { get, world } = lab();
    world.setLimits({ messages: { tpd: 9_000_000 } }, 'org-a');
    const [entry] = data(await get(`${PATH}?model=claude-haiku-5-5`));
    expect(limitsOf(entry)).toMatchObject({ tokens_per_day: 9_000_000, requests_per_minute: 7 });
  });

  test('loses the models that retire', async () => {
    const { get, clock } = lab();
    expect((await get(`${PATH}?model=claude-sonnet-4-5`)).status).toBe(200);
    clock.advance(30 * 24 * 60 * MINUTE_MS);
    expect((await get(`${PATH}?model=claude-sonnet-4-5`)).status).toBe(404);
  });
});

describe('a workspace', () => {
  const path = '/v1/organizations/workspaces/w1/rate_limits';
  const workspaceLimits = { w1: { 'haiku_5.5': { rpm: 3 } } };

  test('lists what it was set to, beside the organization’s own', async () => {
    const entries = data(await lab({ workspaceLimits }).get(path));
    expect(entries).toMatchObject([
      {
        type: 'workspace_rate_limit',
        workspace_id: 'w1',
        models: ['claude-haiku-5-5'],
        limits: [{ type: 'requests_per_minute', value: 3, org_limit: 7, source: { type: 'workspace' } }],
      },
    ]);
  });

  test('with nothing set has nothing to list, and with include_inherited everything', async () => {
    const { get } = lab();
    expect(data(await get(path))).toEqual([]);
    const inherited = data(await get(`${path}?include_inherited=true&group_type=batch`));
    expect(inherited).toMatchObject([
      { limits: [{ value: 700, org_limit: 700, source: { type: 'organization' } }, { type: 'requests_per_minute' }] },
    ]);
  });

  test('of another organization is not found', async () => {
    expect((await lab().get('/v1/organizations/workspaces/w2/rate_limits')).status).toBe(404);
  });
});
