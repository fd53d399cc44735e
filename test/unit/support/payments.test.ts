/**
 * The judge of the kill loop: what is a payment without need, and what is excused.
 */
import { expect, test } from 'vitest';
import { paidAgain, type HardEnd, type PaymentLedger } from '../../crash/payments.ts';

type Outcome = 'succeeded' | 'errored' | 'expired' | 'processing';

function batch(createdAtMs: number, endsAtMs: number, rows: Readonly<Record<string, Outcome>>) {
  const entries = Object.entries(rows).map(([paramsHash, outcome]) => ({ paramsHash, outcome }));
  return { id: `batch_${createdAtMs}`, createdAtMs, endsAtMs, rows: () => entries };
}

function call(paramsHash: string, atMs: number, wasAnswered = true) {
  return { id: `call_${atMs}`, atMs, paramsHash, wasAnswered };
}

function judge(ledger: Partial<PaymentLedger>, ends: readonly number[] = []): string[] {
  const hardEnds = ends.map((untilMs): HardEnd => ({ ended: `a kill before ${untilMs}`, untilMs }));
  return paidAgain({ batches: [], messages: [], ...ledger }, 2, (hash) => (hash === 'x' ? undefined : hardEnds));
}

test.each<[string, Partial<PaymentLedger>, number[]]>([
  ['once each', { batches: [batch(0, 10, { a: 'succeeded' })], messages: [call('b', 5)] }, []],
  ['a batch gave nothing', { batches: [batch(0, 10, { a: 'errored' }), batch(10, 20, { a: 'succeeded' })] }, []],
  ['a batch gave nothing, then a call', { batches: [batch(0, 10, { a: 'expired' })], messages: [call('a', 11)] }, []],
  ['the API lost the answer', { messages: [call('a', 1, false), call('a', 2)] }, []],
  ['the caller died', { messages: [call('a', 1), call('b', 2), call('a', 9), call('b', 9)] }, [5]],
  ['two callers died', { messages: [call('a', 1), call('a', 6), call('a', 9)] }, [5, 8]],
])('in order: %s', (_name, ledger, ends) => {
  expect(judge(ledger, ends)).toEqual([]);
});

test.each<[string, Partial<PaymentLedger>, number[], string]>([
  ['nobody has it', { messages: [call('x', 1)] }, [], 'is no row of any input'],
  [
    'it succeeded before',
    { batches: [batch(0, 10, { a: 'succeeded' }), batch(20, 30, { a: 'succeeded' })] },
    [15],
    'it is succeeded in batch_0',
  ],
  [
    'it succeeded in a batch',
    { batches: [batch(0, 10, { a: 'succeeded' })], messages: [call('a', 11)] },
    [11],
    'succeeded',
  ],
  [
    'its batch never ended',
    { batches: [batch(0, 99, { a: 'processing' }), batch(5, 9, { a: 'succeeded' })] },
    [],
    'processing',
  ],
  [
    'its batch was under way',
    { batches: [batch(0, 10, { a: 'errored' }), batch(9, 20, { a: 'succeeded' })] },
    [5],
    'still at it',
  ],
  ['nobody died', { messages: [call('a', 1), call('a', 2)] }, [], 'nobody had died'],
  ['nobody died between', { messages: [call('a', 6), call('a', 7)] }, [5], 'nobody had died'],
  ['the death came later', { messages: [call('a', 1), call('a', 2)] }, [5], 'nobody had died'],
  [
    'an answered call, then a batch',
    { batches: [batch(9, 20, { a: 'succeeded' })], messages: [call('a', 1)] },
    [],
    'nobody',
  ],
  [
    'more than were under way',
    { messages: ['a', 'b', 'c'].flatMap((row, at) => [call(row, at), call(row, 9)]) },
    [5],
    '3 calls were made again after a kill before 5',
  ],
])('without need: %s', (_name, ledger, ends, says) => {
  const found = judge(ledger, ends);
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(says);
});
