/**
 * When a silence of the API is told: one that lasts, once, and its end.
 */
import { describe, expect, it } from 'vitest';
import { Reach, type Silence } from '../../../src/engine/reach.ts';
import type { ApiFailure } from '../../../src/domain/failure-router.ts';

const LOST: ApiFailure = {
  ...{ status: null, type: null, errorCode: null, message: 'connection lost', retryAfterMs: null, shouldRetry: null },
  ...{ requestId: null, connection: 'lost', unreadable: false },
};
const REFUSED: ApiFailure = { ...LOST, status: 500, connection: null };

function heardBy(): { readonly reach: Reach; readonly told: (Silence | null)[] } {
  const told: (Silence | null)[] = [];
  return { reach: new Reach((silence) => told.push(silence)), told };
}

describe('a silence', () => {
  it('is not told for a single lost connection', () => {
    const { reach, told } = heardBy();
    reach.silent(LOST, 1_000);
    reach.heard();
    reach.silent(LOST, 60_000);
    expect(told).toEqual([]);
  });

  it('that lasts is told once, and its end once', () => {
    const { reach, told } = heardBy();
    for (const atMs of [0, 14_999, 15_000, 40_000]) reach.silent(LOST, atMs);
    reach.heard();
    reach.heard();
    expect(told).toEqual([{ forMs: 15_000, cause: 'connection lost' }, null]);
  });

  it('is told to those who stop, however short it was', () => {
    const { reach, told } = heardBy();
    reach.say(0);
    reach.silent(LOST, 5);
    reach.say(6);
    reach.say(7);
    expect(told).toEqual([{ forMs: 1, cause: 'connection lost' }]);
  });

  it('ends with any answer, a refusal too', () => {
    const { reach, told } = heardBy();
    for (const atMs of [0, 20_000]) reach.silent(LOST, atMs);
    reach.silent(REFUSED, 21_000);
    expect(told.at(-1)).toBeNull();
    expect(reach.silentForMs(30_000)).toBe(0);
  });
});
