/**
 * When an outage of the API is told: one that lasts, once, and its end.
 */
import { describe, expect, it } from 'vitest';
import { Reach, type Outage } from '../../../../src/engine/outage/reach.ts';
import type { ApiFailure } from '../../../../src/domain/failure-router.ts';

const LOST: ApiFailure = {
  ...{ status: null, type: null, errorCode: null, message: 'connection lost', retryAfterMs: null, shouldRetry: null },
  ...{ requestId: null, connection: 'lost', unreadable: false },
};
const BROKEN: ApiFailure = { ...LOST, status: 500, type: 'api_error', connection: null };
const REFUSED: ApiFailure = { ...LOST, status: 400, type: 'invalid_request_error', connection: null };
const ABSENT: ApiFailure = { ...LOST, status: 404, type: 'not_found_error', connection: null };
const STOPPED: ApiFailure = { ...LOST, connection: 'aborted' };
const MINUTE_MS = 60_000;

class Room {
  nowMs = 0;
  readonly told: (Outage | null)[] = [];
  readonly reach = new Reach(
    () => this.nowMs,
    (outage) => this.told.push(outage),
  );

  fails(failure: ApiFailure, ...atMs: number[]): void {
    for (const ms of atMs) {
      this.nowMs = ms;
      this.reach.failed('list', failure);
    }
  }

  get words(): string[] {
    return this.told.map((one) => (one === null ? 'answers' : `${one.kind} since ${one.sinceMs}: ${one.cause}`));
  }
}

describe('a list that is not found', () => {
  it('is told like other errors, and --give-up counts it', () => {
    const room = new Room();
    room.fails(ABSENT, 0, MINUTE_MS, 2 * MINUTE_MS);
    expect(room.words).toEqual(['errors since 0: 404 not_found_error on list']);
    expect(room.reach.awayForMs()).toBe(2 * MINUTE_MS);
    room.reach.heard('list');
    expect([room.told.at(-1), room.reach.awayForMs()]).toEqual([null, 0]);
  });

  it('is nothing new where another call is not found either, and over where one goes well', () => {
    const room = new Room();
    room.fails(ABSENT, 0, MINUTE_MS);
    room.reach.failed('results', ABSENT);
    room.fails(ABSENT, 2 * MINUTE_MS);
    expect(room.reach.awayForMs()).toBe(2 * MINUTE_MS);
    room.reach.heard('message');
    expect(room.reach.awayForMs()).toBe(0);
  });

  it('says something of the address only where the list has never answered', () => {
    const room = new Room();
    room.fails(ABSENT, 0, 1_000);
    expect(room.reach.neverListed).toEqual({ tries: 2, forMs: 1_000 });
    room.reach.heard('list');
    room.fails(ABSENT, 2_000, 3_000);
    expect(room.reach.neverListed).toBeNull();
  });

  it('that is broken meanwhile is counted from the first time to the last', () => {
    const room = new Room();
    room.fails(ABSENT, 0, 1_000);
    room.fails(BROKEN, MINUTE_MS);
    expect(room.reach.awayForMs()).toBe(1_000);
  });
});

describe('a silence', () => {
  it('is not told for a single lost connection', () => {
    const room = new Room();
    room.fails(LOST, 1_000);
    room.reach.heard('list');
    room.fails(LOST, MINUTE_MS);
    expect(room.told).toEqual([]);
  });

  it('that lasts is told once, and its end once', () => {
    const room = new Room();
    room.fails(LOST, 0, 14_999, 15_000, 40_000);
    room.reach.heard('create');
    room.reach.heard('list');
    expect(room.words).toEqual(['silent since 0: connection lost', 'answers']);
  });

  it('is told to those who stop, however short it was', () => {
    const room = new Room();
    room.reach.say();
    room.fails(LOST, 5);
    room.reach.say();
    room.reach.say();
    expect(room.words).toEqual(['silent since 5: connection lost']);
  });

  it('ends with a refusal too: it is an answer', () => {
    const room = new Room();
    room.fails(LOST, 0, 20_000);
    room.fails(REFUSED, 21_000);
    expect(room.told.at(-1)).toBeNull();
    expect(room.reach.silentForMs()).toBe(0);
  });

  it('is not ended by a call that we broke off ourselves', () => {
    const room = new Room();
    room.fails(LOST, 0, 20_000);
    room.fails(STOPPED, 21_000);
    expect(room.words).toEqual(['silent since 0: connection lost']);
    expect(room.reach.silentForMs()).toBe(21_000);
  });

  it('that goes over into errors is the same outage, and --give-up counts from the last answer all the same', () => {
    const room = new Room();
    room.fails(LOST, 0, 20_000);
    room.fails(BROKEN, 30_000, 31_000);
    expect(room.words).toEqual(['silent since 0: connection lost', 'errors since 0: 500 api_error on list']);
    expect(room.reach.silentForMs()).toBe(0);
    room.fails(LOST, 40_000, 60_000);
    expect(room.words.at(-1)).toBe('silent since 0: connection lost');
    expect(room.reach.silentForMs()).toBe(20_000);
    room.reach.heard('list');
    expect(room.words.slice(3)).toEqual(['answers']);
  });
});

describe('errors of the API', () => {
  it('are told once when they last and nothing else came, and their end once', () => {
    const room = new Room();
    room.fails(BROKEN, 0, 30_000, 59_999);
    expect(room.told).toEqual([]);
    room.fails(BROKEN, MINUTE_MS, 2 * MINUTE_MS, 60 * MINUTE_MS);
    room.reach.heard('list');
    room.reach.heard('list');
    expect(room.words).toEqual(['errors since 0: 500 api_error on list', 'answers']);
  });

  it('are not told for two, however far apart', () => {
    const room = new Room();
    room.fails(BROKEN, 0, 10 * MINUTE_MS);
    expect(room.told).toEqual([]);
  });

  it('of one kind of call are told though others go well beside it', () => {
    const room = new Room();
    for (let minute = 0; minute < 5; minute++) {
      room.fails(BROKEN, minute * MINUTE_MS);
      room.reach.heard('message');
    }
    expect(room.words).toEqual(['errors since 0: 500 api_error on list']);
  });

  it('that come now and then among answers are not told', () => {
    const room = new Room();
    for (let minute = 0; minute < 60; minute++) {
      room.fails(BROKEN, minute * MINUTE_MS, minute * MINUTE_MS + 1);
      room.reach.heard('list');
    }
    expect(room.told).toEqual([]);
  });

  it('an answer that cannot be read is none of them: whoever gave it, --give-up counts on', () => {
    const room = new Room();
    room.fails({ ...BROKEN, status: 200, message: 'the answer is not JSON', unreadable: true }, 0, 30_000, 90_000);
    expect(room.words).toEqual(['silent since 0: the answer is not JSON']);
    expect(room.reach.silentForMs()).toBe(90_000);
  });

  it('of calls that nobody makes any more do not last for ever', () => {
    const room = new Room();
    room.fails(BROKEN, 0, 30_000, 90_000);
    room.nowMs = 17 * MINUTE_MS;
    room.reach.heard('create');
    expect(room.words).toEqual(['errors since 0: 500 api_error on list', 'answers']);
  });

  it('are told to those who stop, after a single one', () => {
    const room = new Room();
    room.fails(BROKEN, 7);
    room.reach.say();
    expect(room.words).toEqual(['errors since 7: 500 api_error on list']);
  });

  it('are not told to those who stop, where another call went well after the slip', () => {
    const room = new Room();
    room.fails(BROKEN, 7);
    room.reach.heard('results');
    room.reach.say();
    expect(room.told).toEqual([]);
  });
});

describe('an outage that an earlier process has told', () => {
  const known = { kind: 'errors', sinceMs: -1_000_000, lastMs: -1_000, cause: '500 on list', call: 'list' } as const;

  it('is the same one, and is over with the first call of its kind that goes well', () => {
    const room = new Room();
    room.reach.resume(known);
    room.fails(BROKEN, 0);
    room.reach.say();
    room.reach.heard('create');
    expect(room.words).toEqual(['errors since -1000000: 500 api_error on list']);
    room.reach.heard('list');
    expect(room.words.slice(1)).toEqual(['answers']);
  });

  it('is over without having been told here', () => {
    const room = new Room();
    room.reach.resume(known);
    room.reach.heard('list');
    room.reach.heard('list');
    expect([room.words, room.reach.isResumed]).toEqual([['answers'], false]);
  });

  it('is over with any call where it is old', () => {
    const room = new Room();
    room.reach.resume({ ...known, lastMs: -20 * MINUTE_MS });
    room.reach.heard('create');
    expect(room.words).toEqual(['answers']);
  });
});
