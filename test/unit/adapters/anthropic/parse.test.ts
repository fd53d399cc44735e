/**
 * The API's answers are read with tolerance for what is new or left out, and refused where what matters is missing.
 */
import { describe, expect, test } from 'vitest';
import { parseBatch, parseModel, parsePage } from '../../../../src/adapters/anthropic/parse.ts';

const BATCH = {
  id: 'msgbatch_1',
  type: 'message_batch',
  processing_status: 'ended',
  request_counts: { processing: 0, succeeded: 3, errored: 1, canceled: 2, expired: 4 },
  created_at: '2026-11-20T00:00:00Z',
  expires_at: '2026-11-21T00:00:00Z',
  ended_at: '2026-11-20T01:00:00.500Z',
  archived_at: null,
  cancel_initiated_at: null,
  results_url: 'https://api.anthropic.com/v1/messages/batches/msgbatch_1/results',
};
const CREATED_MS = Date.UTC(2026, 10, 20);
const UNREADABLE = { code: 'E_API', details: { failure: { unreadable: true, status: null, connection: null } } };

function without(name: string): string {
  return JSON.stringify({ ...BATCH, [name]: undefined });
}

function thrownBy(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

describe('a batch', () => {
  test('is read whole', () => {
    expect(parseBatch(JSON.stringify(BATCH), 'x')).toEqual({
      id: 'msgbatch_1',
      status: 'ended',
      counts: { processing: 0, succeeded: 3, errored: 1, canceled: 2, expired: 4 },
      createdAtMs: CREATED_MS,
      expiresAtMs: CREATED_MS + 86_400_000,
      endedAtMs: CREATED_MS + 3_600_500,
      archivedAtMs: null,
      resultsUrl: BATCH.results_url,
    });
  });

  test('is read although keys are new or left out', () => {
    expect(parseBatch(JSON.stringify({ ...BATCH, tomorrow: { x: 1 } }), 'x')).toMatchObject({ id: 'msgbatch_1' });
    expect(parseBatch(without('expires_at'), 'x')).toMatchObject({ expiresAtMs: CREATED_MS + 86_400_000 });
    expect(parseBatch(without('ended_at'), 'x')).toMatchObject({ endedAtMs: null });
    expect(parseBatch(without('archived_at'), 'x')).toMatchObject({ archivedAtMs: null });
    expect(parseBatch(without('results_url'), 'x')).toMatchObject({ resultsUrl: null });
    const counts = { succeeded: 2, paused: 9, errored: 'many' };
    expect(parseBatch(JSON.stringify({ ...BATCH, request_counts: counts }), 'x')).toMatchObject({
      counts: { processing: 0, succeeded: 2, errored: 0, canceled: 0, expired: 0 },
    });
  });

  test.each(['id', 'processing_status', 'request_counts', 'created_at'])('without %s is unreadable', (name) => {
    expect(thrownBy(() => parseBatch(without(name), 'the create of a batch'))).toMatchObject({
      ...UNREADABLE,
      message: 'the answer to the create of a batch cannot be read',
    });
  });

  test.each([
    '',
    'null',
    '[]',
    '"text"',
    '7',
    '{"id":"msgbatch_',
    '<html>502</html>',
    JSON.stringify({ ...BATCH, processing_status: 'odd' }),
    JSON.stringify({ ...BATCH, created_at: 'yesterday' }),
  ])('that is %s is unreadable', (body) => {
    expect(thrownBy(() => parseBatch(body, 'x'))).toMatchObject(UNREADABLE);
  });

  test('that cannot be read is not quoted: it may hold anything', () => {
    expect(String(thrownBy(() => parseBatch('{"secret":"prompt text"}', 'x')))).not.toContain('prompt text');
  });
});

describe('a page', () => {
  test('is read with its cursor', () => {
    const body = JSON.stringify({ data: [BATCH], has_more: true, first_id: 'a', last_id: 'msgbatch_1' });
    expect(parsePage(body)).toMatchObject({ batches: [{ id: 'msgbatch_1' }], hasMore: true, lastId: 'msgbatch_1' });
  });

  test('without cursor fields is the last one', () => {
    expect(parsePage('{"data":[]}')).toEqual({ batches: [], hasMore: false, lastId: null });
    expect(parsePage('{"data":[],"has_more":null,"last_id":null}')).toEqual({
      batches: [],
      hasMore: false,
      lastId: null,
    });
  });

  test('with a batch that cannot be read is unreadable as a whole: a gap could hide a batch that was made', () => {
    expect(thrownBy(() => parsePage(JSON.stringify({ data: [BATCH, { id: 'x' }], has_more: false })))).toMatchObject(
      UNREADABLE,
    );
    expect(thrownBy(() => parsePage(JSON.stringify({ data: [null] })))).toMatchObject(UNREADABLE);
  });

  test.each(['{}', '[]', '{"data":{}}', '', 'x'])('that is %s is unreadable', (body) => {
    expect(thrownBy(() => parsePage(body))).toMatchObject(UNREADABLE);
  });
});

describe('a model', () => {
  test('is read with what it can do, and null where the API does not say', () => {
    const model = { id: 'm', capabilities: { batch: { supported: false } }, retires_at: '2026-11-30T00:00:00Z' };
    const unsaid = { lifecycle: null, deprecatedAtMs: null, contextTokens: null, maxTokens: null };
    expect(parseModel(JSON.stringify(model))).toEqual({
      ...unsaid,
      id: 'm',
      batchSupported: false,
      capabilities: { batch: false },
      retiresAtMs: Date.UTC(2026, 10, 30),
    });
    for (const capabilities of [
      undefined,
      null,
      [],
      {},
      { batch: null },
      { batch: {} },
      { batch: { supported: 'yes' } },
    ]) {
      const read = parseModel(
        JSON.stringify({ id: 'm', capabilities, retires_at: 7, lifecycle: 'new', max_tokens: '9' }),
      );
      expect(read).toEqual({ ...unsaid, id: 'm', batchSupported: null, capabilities: {}, retiresAtMs: null });
    }
  });

  test('has its capabilities by their paths, and its sizes', () => {
    const thinking = { supported: true, types: { adaptive: { supported: false }, enabled: { supported: true } } };
    const model = { id: 'm', lifecycle: 'deprecated', max_tokens: 64_000, max_input_tokens: 200_000 };
    expect(parseModel(JSON.stringify({ ...model, capabilities: { thinking } }))).toMatchObject({
      lifecycle: 'deprecated',
      maxTokens: 64_000,
      contextTokens: 200_000,
      capabilities: { thinking: true, 'thinking.types.adaptive': false, 'thinking.types.enabled': true },
    });
  });

  test.each(['{}', '{"id":7}', '', 'null'])('that is %s is unreadable', (body) => {
    expect(thrownBy(() => parseModel(body))).toMatchObject(UNREADABLE);
  });
});
