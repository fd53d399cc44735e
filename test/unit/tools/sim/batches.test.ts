/**
 * The life of a batch as the API documents it: its states, its counts, its results, cancel, delete, the list,
 * and who may see it. Time is virtual: a batch of ten minutes takes none.
 */
import { describe, expect, test } from 'vitest';
import { answerFor } from '../../../../src/tools/sim/answer.ts';
import { bench, HOUR_MS, idOf, MINUTE_MS, paramsOf, rows, textOf, typeOf } from './helpers.ts';

const DAY_MS = 24 * HOUR_MS;

describe('the life of a batch', () => {
  test('a new batch has every key and all of its rows in processing', async () => {
    const { create } = bench();
    const { status, json } = await create(rows(3));
    expect(status).toBe(200);
    expect(json).toEqual({
      id: expect.stringMatching(/^msgbatch_01[A-Za-z0-9]{22}$/),
      type: 'message_batch',
      processing_status: 'in_progress',
      request_counts: { processing: 3, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
      created_at: '2026-11-20T00:00:00.000Z',
      expires_at: '2026-11-21T00:00:00.000Z',
      ended_at: null,
      archived_at: null,
      cancel_initiated_at: null,
      results_url: null,
    });
  });

  test('counts show no progress before the whole batch has ended', async () => {
    const { clock, create, call } = bench();
    const id = idOf(await create(rows(50)));
    clock.advance(9 * MINUTE_MS);
    const before = await call('GET', `/v1/messages/batches/${id}`);
    expect(before.json['request_counts']).toMatchObject({ processing: 50, succeeded: 0 });
    expect(before.headers['retry-after']).toBe('10');
    clock.advance(MINUTE_MS);
    const after = await call('GET', `/v1/messages/batches/${id}`);
    expect(after.json).toMatchObject({
      processing_status: 'ended',
      request_counts: { processing: 0, succeeded: 50 },
      ended_at: '2026-11-20T00:10:00.000Z',
      results_url: `http://sim.test/v1/messages/batches/${id}/results`,
    });
    expect(after.headers['retry-after']).toBeUndefined();
  });

  test('every row has exactly one line, in another order, with the answer to its own prompt', async () => {
    const { clock, create, results } = bench();
    const id = idOf(await create(rows(40)));
    clock.advance(HOUR_MS);
    const lines = await results(id);
    const ids = lines.map((line) => String(line['custom_id']));
    expect(ids.toSorted()).toEqual(
      rows(40)
        .map((row) => String(row['custom_id']))
        .toSorted(),
    );
    expect(ids).not.toEqual(rows(40).map((row) => row['custom_id']));
    for (const line of lines) expect(textOf(line)).toBe(answerFor(paramsOf(`question ${String(line['custom_id'])}`)));
  });

  test('results lines have the keys of recorded files', async () => {
    const { clock, create, results } = bench();
    const id = idOf(await create(rows(1)));
    clock.advance(HOUR_MS);
    expect(await results(id)).toEqual([
      {
        custom_id: 'row-0',
        result: {
          type: 'succeeded',
          message: {
            id: expect.stringMatching(/^msg_/),
            type: 'message',
            role: 'assistant',
            model: 'claude-haiku-5-5',
            content: [{ type: 'text', text: expect.stringMatching(/^[0-9a-f]{8} question row-0$/) }],
            stop_reason: 'end_turn',
            stop_sequence: null,
            usage: {
              input_tokens: 4,
              cache_creation_input_tokens: 0,
              cache_read_input_tokens: 0,
              cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
              output_tokens: 6,
              service_tier: 'batch',
              inference_geo: 'not_available',
            },
          },
        },
      },
    ]);
  });

  test('results before the end, and after 29 days from creation, are not there', async () => {
    const { clock, create, call } = bench();
    const id = idOf(await create(rows(1)));
    expect((await call('GET', `/v1/messages/batches/${id}/results`)).status).toBe(400);
    clock.advance(29 * DAY_MS - 1);
    expect((await call('GET', `/v1/messages/batches/${id}/results`)).status).toBe(200);
    clock.advance(1);
    expect((await call('GET', `/v1/messages/batches/${id}/results`)).status).toBe(404);
    const batch = await call('GET', `/v1/messages/batches/${id}`);
    expect(batch.json['archived_at']).toBe('2026-12-19T00:00:00.000Z');
  });

  test('a batch that needs more than 24 hours expires the rows that were not reached', async () => {
    const { clock, create, call } = bench({ batchDurationMs: [48 * HOUR_MS, 48 * HOUR_MS] });
    const id = idOf(await create(rows(200)));
    clock.advance(DAY_MS);
    const { json } = await call('GET', `/v1/messages/batches/${id}`);
    const counts = json['request_counts'] as { succeeded: number; expired: number };
    expect(json['processing_status']).toBe('ended');
    expect(counts.expired).toBeGreaterThan(60);
    expect(counts.succeeded + counts.expired).toBe(200);
  });
});

describe('cancel and delete', () => {
  test('a cancel halfway leaves finished rows and cancels the others', async () => {
    const { clock, create, call, results } = bench();
    const id = idOf(await create(rows(200)));
    clock.advance(5 * MINUTE_MS);
    const canceling = await call('POST', `/v1/messages/batches/${id}/cancel`);
    expect(canceling.json).toMatchObject({
      processing_status: 'canceling',
      cancel_initiated_at: '2026-11-20T00:05:00.000Z',
    });
    expect((await call('POST', `/v1/messages/batches/${id}/cancel`)).json['processing_status']).toBe('canceling');
    clock.advance(10_000);
    const ended = await call('GET', `/v1/messages/batches/${id}`);
    const counts = ended.json['request_counts'] as { succeeded: number; canceled: number };
    expect(ended.json['processing_status']).toBe('ended');
    expect(counts.succeeded).toBeGreaterThan(60);
    expect(counts.canceled).toBeGreaterThan(60);
    const types = (await results(id)).map(typeOf);
    expect(types.filter((type) => type === 'canceled')).toHaveLength(counts.canceled);
  });

  test('cancel after the end and delete before it are refused, with the status of the switch', async () => {
    for (const status of [400, 409] as const) {
      const { clock, create, call } = bench({
        switches: { cancelAfterEndStatus: status, deleteBeforeEndStatus: status },
      });
      const id = idOf(await create(rows(1)));
      expect((await call('DELETE', `/v1/messages/batches/${id}`)).status).toBe(status);
      clock.advance(HOUR_MS);
      expect((await call('POST', `/v1/messages/batches/${id}/cancel`)).status).toBe(status);
    }
  });

  test('a deleted batch is gone from retrieve and list, and a second delete is 404', async () => {
    const { clock, create, call, world } = bench();
    const id = idOf(await create(rows(1)));
    clock.advance(HOUR_MS);
    expect((await call('DELETE', `/v1/messages/batches/${id}`)).json).toEqual({ id, type: 'message_batch_deleted' });
    expect((await call('GET', `/v1/messages/batches/${id}`)).status).toBe(404);
    expect((await call('DELETE', `/v1/messages/batches/${id}`)).status).toBe(404);
    expect((await call('GET', '/v1/messages/batches')).json['data']).toEqual([]);
    expect(world.ledger.batches.map((batch) => batch.isDeleted)).toEqual([true]);
  });
});

describe('the list', () => {
  test('it is newest first, pages both ways, and has at most 1,000 on a page', async () => {
    const { clock, create, call } = bench();
    const ids: string[] = [];
    for (let nth = 0; nth < 5; nth++) {
      ids.unshift(idOf(await create(rows(1, `batch${nth}`))));
      clock.advance(1_000);
    }
    const list = async (query: string) => {
      const { json } = await call('GET', `/v1/messages/batches?${query}`);
      return { ...json, data: (json['data'] as { id: string }[]).map((batch) => batch.id) };
    };
    expect(await list('')).toEqual({ data: ids, has_more: false, first_id: ids[0], last_id: ids[4] });
    expect(await list('limit=2')).toMatchObject({ data: ids.slice(0, 2), has_more: true });
    expect(await list(`limit=2&after_id=${ids[1]}`)).toMatchObject({ data: ids.slice(2, 4), has_more: true });
    expect(await list(`limit=2&after_id=${ids[3]}`)).toMatchObject({ data: ids.slice(4), has_more: false });
    expect(await list(`limit=2&before_id=${ids[3]}`)).toMatchObject({ data: ids.slice(1, 3), has_more: true });
    expect(await list(`limit=2&before_id=${ids[2]}`)).toMatchObject({ data: ids.slice(0, 2), has_more: false });
    expect((await call('GET', '/v1/messages/batches?limit=1001')).status).toBe(400);
    expect((await call('GET', '/v1/messages/batches?limit=0')).status).toBe(400);
  });

  test('an empty list has null ids', async () => {
    const { call } = bench();
    expect((await call('GET', '/v1/messages/batches')).json).toEqual({
      data: [],
      has_more: false,
      first_id: null,
      last_id: null,
    });
  });

  test('foreign batches stand in the list with the count that they were given', async () => {
    const { call, world } = bench();
    const id = world.addForeignBatch({ count: 7 });
    const { json } = await call('GET', '/v1/messages/batches');
    expect(json['data']).toMatchObject([{ id, request_counts: { processing: 7 } }]);
    expect(world.ledger.batches[0]).toMatchObject({ id, isForeign: true, rowCount: 7 });
  });
});

describe('who may see a batch', () => {
  const keys = {
    alpha: { workspace: 'wrkspc_a', workspaces: ['wrkspc_b'] },
    beta: { workspace: 'wrkspc_b' },
  };

  test('a key of another workspace gets 404, a key of the same one sees it', async () => {
    const { create, call } = bench({ keys });
    const id = idOf(await create(rows(1), { 'x-api-key': 'alpha' }));
    const path = `/v1/messages/batches/${id}`;
    expect((await call('GET', path, undefined, { 'x-api-key': 'beta' })).errorType).toBe('not_found_error');
    expect((await call('GET', path, undefined, { 'x-api-key': 'alpha' })).status).toBe(200);
    expect((await call('GET', path)).status).toBe(404);
  });

  test('the workspace header chooses among the workspaces of a key, and no others', async () => {
    const { create, call } = bench({ keys });
    const chosen = { 'x-api-key': 'alpha', 'anthropic-workspace-id': 'wrkspc_b' };
    const made = await create(rows(1), chosen);
    expect(made.headers['anthropic-workspace-id']).toBe('wrkspc_b');
    const path = `/v1/messages/batches/${idOf(made)}`;
    expect((await call('GET', path, undefined, { 'x-api-key': 'beta' })).status).toBe(200);
    const refused = await call('GET', path, undefined, { 'x-api-key': 'beta', 'anthropic-workspace-id': 'wrkspc_a' });
    expect(refused.errorType).toBe('permission_error');
  });

  test('without a key, with an unknown key where keys are strict, and with an unknown version nothing is answered', async () => {
    const strict = bench({ keys, strictKeys: true });
    expect((await strict.call('GET', '/v1/models', undefined, { 'x-api-key': '' })).errorType).toBe(
      'authentication_error',
    );
    expect((await strict.call('GET', '/v1/models')).status).toBe(401);
    const bearer = { 'x-api-key': '', authorization: 'Bearer alpha' };
    expect((await strict.call('GET', '/v1/models', undefined, bearer)).status).toBe(200);
    const { call } = bench();
    expect((await call('GET', '/v1/models', undefined, { 'anthropic-version': '2099-01-01' })).status).toBe(400);
    expect((await call('GET', '/v1/models', undefined, { 'anthropic-version': '2023-06-01' })).status).toBe(200);
  });

  test('every answer names its request, its organization and the time of the world', async () => {
    const { call } = bench();
    const { headers, json } = await call('GET', '/v1/nothing');
    expect(headers).toMatchObject({
      'request-id': expect.stringMatching(/^req_/),
      date: 'Fri, 20 Nov 2026 00:00:00 GMT',
    });
    expect(headers['anthropic-organization-id']).toBeDefined();
    expect(json).toMatchObject({
      type: 'error',
      error: { type: 'not_found_error' },
      request_id: headers['request-id'],
    });
  });
});
