/** Whether an answer that max_tokens cut is asked for again, and with how many. */
import { describe, expect, test } from 'vitest';
import type { RunSettings } from '../../../src/domain/model.ts';
import { modelFacts } from '../../../src/domain/models.ts';
import { longerMaxTokens, truncationsMax, type CutOff } from '../../../src/domain/truncated.ts';

const NOW_MS = Date.UTC(2026, 10, 20);
const HAIKU = 'claude-haiku-5-5';

function next(more: Partial<CutOff>): number | null {
  const cut = { stopReason: 'max_tokens', model: HAIKU, maxTokens: 100, truncations: 0, truncationsMax: 3 };
  return longerMaxTokens({ ...cut, nowMs: NOW_MS, ...more });
}

describe('max_tokens of the next try', () => {
  test('are twice as many', () => {
    expect(next({})).toBe(200);
    expect(next({ maxTokens: 200, truncations: 2 })).toBe(400);
  });

  test('are never more than the model writes, and where it is at that the answer stays', () => {
    const most = modelFacts(HAIKU, NOW_MS).maxTokens ?? 0;
    expect(most).toBeGreaterThan(1_000);
    expect(next({ maxTokens: most - 1 })).toBe(most);
    expect(next({ maxTokens: most })).toBeNull();
    expect(next({ maxTokens: most + 1 })).toBeNull();
    expect(next({ model: 'claude-secret-9', maxTokens: 127_999 })).toBe(128_000);
    expect(next({ model: 'claude-secret-9', maxTokens: 128_000 })).toBeNull();
  });

  test('only of an answer that was cut, and only so often', () => {
    for (const stopReason of ['end_turn', 'refusal', undefined]) expect(next({ stopReason })).toBeNull();
    expect(next({ truncations: 3 })).toBeNull();
    expect(next({ truncationsMax: 0 })).toBeNull();
  });
});

test.each<[RunSettings['retryLane'], number, number]>([
  ['auto', 0, 2],
  ['batch', 3, 2],
  ['auto', 4, 0],
  ['none', 0, 0],
])('retries go to %s, %i of 4 tries are over: %i more', (retryLane, attempts, expected) => {
  const settings = { retryLane, maxAttempts: 4, wishes: { retryTruncated: 2 } } as unknown as RunSettings;
  expect(truncationsMax({ settings }, attempts)).toBe(expected);
});
