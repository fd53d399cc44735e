/**
 * Every fault does what its line in the catalogue says, and nothing else: what was made is looked up in the ledger.
 */
import { describe, expect, test } from 'vitest';
import { FAULT_NAMES, type FaultName } from '../../../../src/tools/sim/faults.ts';
import { bench, errorOf, HOUR_MS, idOf, paramsOf, rows, typeOf, type Bench, type Json, type Reply } from './helpers.ts';

const BATCHES = '/v1/messages/batches';

async function endedBatch(from: Bench, count = 10): Promise<string> {
  const id = idOf(await from.create(rows(count)));
  from.clock.advance(HOUR_MS);
  return id;
}

describe('faults of create', () => {
  const cases: readonly (readonly [FaultName, Partial<Reply>, number])[] = [
    ['create.reset_before', { fault: 'reset' }, 0],
    ['create.hang_before', { fault: 'hang' }, 0],
    ['create.500_before', { status: 500, errorType: 'api_error' }, 0],
    ['create.429', { status: 429, errorType: 'rate_limit_error' }, 0],
    ['create.413', { status: 413 }, 0],
    ['create.reset_after', { fault: 'reset' }, 1],
    ['create.hang_after', { fault: 'hang' }, 1],
    ['create.504_after', { status: 504, errorType: 'timeout_error' }, 1],
    ['create.500_after', { status: 500 }, 1],
    ['create.garbage_answer', { status: 200, json: {} }, 1],
  ];

  test.each(cases)('%s does what it says, once', async (fault, expected, made) => {
    const { create, world } = bench();
    world.failNext(fault);
    expect(await create(rows(2))).toMatchObject(expected);
    expect(world.ledger.batches.map((batch) => batch.wasAnswered)).toEqual(Array(made).fill(false));
    expect((await create(rows(3))).status).toBe(200);
    expect(world.faultsFired.get(fault)).toBe(1);
  });

  test('create.reset_upload breaks the connection before the body is wanted', async () => {
    const { world, call } = bench();
    world.failNext('create.reset_upload');
    const head = { method: 'POST', path: BATCHES, headers: {} };
    expect(world.open({ ...head, path: '/v1/messages' })).toBeUndefined();
    expect(world.open(head)?.fault).toBe('reset');
    expect(world.open(head)).toBeUndefined();
    expect((await call('GET', BATCHES)).json['data']).toEqual([]);
  });

  test('list.lag hides a new batch from list and retrieve for its time', async () => {
    const { create, call, clock, world } = bench({ listLagMs: 5_000 });
    world.failNext('list.lag');
    const id = idOf(await create(rows(1)));
    expect((await call('GET', BATCHES)).json['data']).toEqual([]);
    expect((await call('GET', `${BATCHES}/${id}`)).status).toBe(404);
    clock.advance(5_000);
    expect((await call('GET', BATCHES)).json['data']).toHaveLength(1);
    expect((await call('GET', `${BATCHES}/${id}`)).status).toBe(200);
  });

  test('batch.expire ends the batch after 24 hours with every row expired', async () => {
    const { create, call, clock, results, world } = bench();
    world.failNext('batch.expire');
    const id = idOf(await create(rows(3)));
    clock.advance(23 * HOUR_MS);
    expect((await call('GET', `${BATCHES}/${id}`)).json['processing_status']).toBe('in_progress');
    clock.advance(HOUR_MS);
    expect((await results(id)).map(typeOf)).toEqual(['expired', 'expired', 'expired']);
  });

  test('batch.canceled_by_other shows as a cancel that nobody here asked for', async () => {
    const { create, call, clock, world } = bench();
    world.failNext('batch.canceled_by_other');
    const id = idOf(await create(rows(100)));
    expect((await call('GET', `${BATCHES}/${id}`)).json['cancel_initiated_at']).toBeNull();
    clock.advance(HOUR_MS);
    const { json } = await call('GET', `${BATCHES}/${id}`);
    expect(json['cancel_initiated_at']).not.toBeNull();
    expect((json['request_counts'] as { canceled: number }).canceled).toBeGreaterThan(0);
    expect(world.ledger.calls.get('batches.cancel')).toBeUndefined();
  });
});

describe('faults of reading', () => {
  test.each([
    ['list.404', BATCHES, 404],
    ['list.500', BATCHES, 500],
    ['list.503', BATCHES, 503],
    ['retrieve.404', `${BATCHES}/ID`, 404],
    ['retrieve.500', `${BATCHES}/ID`, 500],
    ['results.404', `${BATCHES}/ID/results`, 404],
    ['results.503', `${BATCHES}/ID/results`, 503],
  ] as const)('%s, and then all is well', async (fault, path, status) => {
    const made = bench();
    const id = await endedBatch(made);
    made.world.failNext(fault);
    expect((await made.call('GET', path.replace('ID', id))).status).toBe(status);
    expect((await made.call('GET', path.replace('ID', id))).status).toBe(200);
  });

  test.each([
    ['cancel.500', null],
    ['cancel.500_after', '2026-11-20T00:00:00.000Z'],
  ] as const)('%s answers 500; the cancel was done or not', async (fault, initiatedAt) => {
    const { create, call, world } = bench();
    const id = idOf(await create(rows(2)));
    world.failNext(fault);
    expect((await call('POST', `${BATCHES}/${id}/cancel`)).status).toBe(500);
    expect((await call('GET', `${BATCHES}/${id}`)).json['cancel_initiated_at']).toBe(initiatedAt);
  });

  const damaged = async (fault: FaultName): Promise<{ reply: Reply; lines: string[]; whole: string[] }> => {
    // In the order of the input, so that the damaged file can be laid beside the whole one.
    const made = bench({ resultsOrder: 'input' });
    const id = await endedBatch(made, 50);
    made.world.failNext(fault);
    const reply = await made.call('GET', `${BATCHES}/${id}/results`);
    const whole = (await made.call('GET', `${BATCHES}/${id}/results`)).text.split('\n').filter(Boolean);
    return { reply, lines: reply.text.split('\n').filter(Boolean), whole };
  };

  test('results.empty and results.cut_line end cleanly with whole lines missing', async () => {
    for (const fault of ['results.empty', 'results.cut_line'] as const) {
      const { reply, lines, whole } = await damaged(fault);
      expect(reply).toMatchObject({ status: 200, fault: undefined });
      expect(lines.length).toBeLessThan(50);
      expect(lines).toEqual(whole.slice(0, lines.length));
      expect(reply.text === '' || reply.text.endsWith('\n')).toBe(true);
    }
  });

  test('results.cut_inside, .reset and .stall stop inside a line, each in its own way', async () => {
    for (const [fault, wire] of [
      ['results.cut_inside', undefined],
      ['results.reset', 'body_reset'],
      ['results.stall', 'body_stall'],
    ] as const) {
      const { reply, lines, whole } = await damaged(fault);
      expect(reply.fault).toBe(wire);
      expect(reply.text.endsWith('\n')).toBe(false);
      expect(whole[lines.length - 1]?.startsWith(lines.at(-1) ?? '?')).toBe(true);
    }
  });

  test('results.duplicate_line and .foreign_line bring one line too many', async () => {
    const twice = await damaged('results.duplicate_line');
    expect(twice.lines).toHaveLength(51);
    expect(new Set(twice.lines)).toEqual(new Set(twice.whole));
    const foreign = await damaged('results.foreign_line');
    expect(foreign.lines.filter((line) => !foreign.whole.includes(line))).toHaveLength(1);
  });
});

describe('faults of messages', () => {
  const cases: readonly (readonly [FaultName, Partial<Reply>, number])[] = [
    ['message.reset_before', { fault: 'reset' }, 0],
    ['message.429', { status: 429 }, 0],
    ['message.500', { status: 500 }, 0],
    ['message.529', { status: 529, errorType: 'overloaded_error' }, 0],
    ['message.reset', { fault: 'reset' }, 1],
    ['message.hang', { fault: 'hang' }, 1],
    ['message.garbage_answer', { status: 200, json: {} }, 1],
  ];

  test.each(cases)('%s', async (fault, expected, executed) => {
    const { call, world } = bench();
    world.failNext(fault);
    expect(await call('POST', '/v1/messages', paramsOf('hello'))).toMatchObject(expected);
    expect(world.ledger.messages.map((message) => message.wasAnswered)).toEqual(Array(executed).fill(false));
  });

  test('errors by status come at their rates', async () => {
    const { call } = bench({
      tier: 'scale',
      messageLatencyMs: [0, 0],
      rates: { messageErrorRates: { 429: 0.2, 529: 0.3 } },
    });
    const seen = new Map<number, number>();
    for (let nth = 0; nth < 400; nth++) {
      const { status } = await call('POST', '/v1/messages', paramsOf('the same prompt'));
      seen.set(status, (seen.get(status) ?? 0) + 1);
    }
    expect(seen.get(429)).toBeGreaterThan(50);
    expect(seen.get(529)).toBeGreaterThan(80);
    expect(seen.get(200)).toBeGreaterThan(150);
  });
});

describe('how faults are chosen', () => {
  test('rates fire about as often as they say, are counted, and can be healed', async () => {
    const { call, world } = bench({ faults: { 'list.500': 0.5 } });
    const statuses: number[] = [];
    for (let nth = 0; nth < 200; nth++) statuses.push((await call('GET', BATCHES)).status);
    const failed = statuses.filter((status) => status === 500).length;
    expect(failed).toBeGreaterThan(70);
    expect(failed).toBeLessThan(130);
    expect(world.faultsFired.get('list.500')).toBe(failed);
    world.setFaults({});
    for (let nth = 0; nth < 20; nth++) expect((await call('GET', BATCHES)).status).toBe(200);
  });

  test('a script is asked with the path and may leave it to the rates', async () => {
    const { call, world } = bench();
    const asked: string[] = [];
    world.script(({ fault, path }) => {
      asked.push(`${fault} ${path}`);
      return fault === 'list.503' ? true : undefined;
    });
    expect((await call('GET', BATCHES)).status).toBe(503);
    expect(asked).toEqual([`list.404 ${BATCHES}`, `list.500 ${BATCHES}`, `list.503 ${BATCHES}`]);
    world.script(undefined);
    expect((await call('GET', BATCHES)).status).toBe(200);
  });

  test('rows fare by their rates, and a row sent again under a new id draws anew', async () => {
    const { create, clock, results } = bench({
      rates: { errorRate: 0.3, errorTypes: { overloaded_error: 1 }, expireRate: 0.1, billingErrorRate: 0.1 },
    });
    const fates = async (prefix: string): Promise<Json[]> => {
      const id = idOf(await create(rows(300, prefix)));
      clock.advance(HOUR_MS);
      return (await results(id)).toSorted((one, other) =>
        String(one['custom_id']).localeCompare(String(other['custom_id'])),
      );
    };
    const first = await fates('a');
    const again = await fates('b');
    expect(first.map(typeOf)).not.toEqual(again.map(typeOf));
    const types = first.map((line) => errorOf(line).type);
    expect(types.filter((type) => type === 'overloaded_error').length).toBeGreaterThan(60);
    expect(
      first.filter((line) => errorOf(line).message.startsWith('Your credit balance is too low')).length,
    ).toBeGreaterThan(10);
    expect(first.filter((line) => typeOf(line) === 'expired').length).toBeGreaterThan(10);
  });

  test.each(FAULT_NAMES)('%s is asked somewhere: none is only a name', async (fault) => {
    const { create, call, clock, world } = bench({ faults: { [fault]: 1 } });
    world.open({ method: 'POST', path: BATCHES, headers: {} });
    await create(rows(2));
    const id = world.ledger.batches[0]?.id ?? 'msgbatch_none';
    await call('POST', '/v1/messages', paramsOf('x'));
    for (const path of [BATCHES, `${BATCHES}/${id}`]) await call('GET', path);
    await call('POST', `${BATCHES}/${id}/cancel`);
    clock.advance(25 * HOUR_MS);
    await call('GET', `${BATCHES}/${id}/results`);
    expect([...world.faultsFired.keys()]).toEqual([fault]);
  });
});
