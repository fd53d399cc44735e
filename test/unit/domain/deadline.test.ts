/**
 * What a deadline asks for: nothing while there is time, early enough that all that could make it makes it in a world
 * where rates are what they seem, and never more than the lane can use.
 */
import { describe, expect, test } from 'vitest';
import { integerBetween, seededRng } from '../../../src/base/random.ts';
import {
  AHEAD_MS,
  planDeadline,
  slowBatchMs,
  type BatchPiece,
  type DeadlineQuestion,
  type SealedPiece,
} from '../../../src/domain/deadline.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SEEDS = 150;

function asked(more: Partial<DeadlineQuestion> = {}): DeadlineQuestion {
  return {
    ...{ nowMs: 0, deadlineMs: 4 * HOUR_MS, sealed: [], batches: [], laneRows: 0, othersMs: 0, rowsPerMinute: 100 },
    ...{ batchMs: HOUR_MS, stopMs: 5 * MINUTE_MS, batchesMax: 100, hurried: false, ...more },
  };
}

const sealedPiece = (chunkNo: number, rows: number): SealedPiece => ({ chunkNo, rows, movable: true });
const batchPiece = (chunkNo: number, rows: number, ageMs: number): BatchPiece => ({
  ...sealedPiece(chunkNo, rows),
  ageMs,
});

describe('a deadline', () => {
  test('moves nothing while a batch would still end in time', () => {
    const plan = planDeadline(asked({ sealed: [sealedPiece(1, 1_000_000)], batches: [batchPiece(2, 1_000_000, 0)] }));
    expect(plan).toEqual({ release: [], stop: [], hurries: false, lateRows: 0, doneAtMs: HOUR_MS });
  });

  test('moves nothing while the lane could do later all that may be late', () => {
    // 1,000 rows are ten minutes of the lane; half an hour is left.
    const plan = planDeadline(asked({ deadlineMs: 30 * MINUTE_MS, sealed: [sealedPiece(1, 1_000)] }));
    expect(plan).toMatchObject({ release: [], hurries: false, lateRows: 0 });
  });

  test('moves sealed chunks first, and no more than keeps the lane busy', () => {
    const sealed = [1, 2, 3, 4, 5, 6].map((chunkNo) => sealedPiece(chunkNo, 500));
    const plan = planDeadline(asked({ deadlineMs: 30 * MINUTE_MS, sealed, batches: [batchPiece(7, 500, 0)] }));
    expect(plan).toMatchObject({ release: [1, 2], stop: [], hurries: true });
  });

  test('stops the youngest batches next, as many as the time of a stop needs besides', () => {
    const batches = [10, 20, 30, 40, 50].map((age, at) => batchPiece(at + 1, 500, age * 100));
    const plan = planDeadline(asked({ deadlineMs: 30 * MINUTE_MS, batches }));
    expect(plan).toMatchObject({ release: [], stop: [1, 2, 3], hurries: true });
  });

  test('leaves a batch that is about to end, and one that cannot be stopped', () => {
    const batches = [batchPiece(1, 3_000, 50 * MINUTE_MS), { ...batchPiece(2, 70, 0), movable: false }];
    const plan = planDeadline(asked({ deadlineMs: 20 * MINUTE_MS, batches }));
    expect(plan).toEqual({ release: [], stop: [], hurries: false, lateRows: 70, doneAtMs: HOUR_MS });
  });

  test.each([
    ['that may end any time is left where hardly half of it would make it', 2 * HOUR_MS, []],
    ['that surely is late is stopped for a part of it', MINUTE_MS, [1]],
  ])('a batch %s', (_what, ageMs, stop) => {
    const plan = planDeadline(asked({ deadlineMs: 15 * MINUTE_MS, batches: [batchPiece(1, 3_000, ageMs)] }));
    expect(plan.stop).toEqual(stop);
    expect(plan.lateRows).toBe(stop.length > 0 ? 2_000 : 3_000);
  });

  test('that is over moves nothing, and all that is open is late', () => {
    const parts = { sealed: [sealedPiece(1, 500)], batches: [batchPiece(2, 500, 0)], laneRows: 20 };
    const plan = planDeadline(asked({ nowMs: HOUR_MS, deadlineMs: HOUR_MS, ...parts }));
    expect(plan).toMatchObject({ release: [], stop: [], hurries: false, lateRows: 1_020 });
  });

  test('counts sealed chunks that have to wait for others to end', () => {
    const sealed = [1, 2, 3].map((chunkNo) => sealedPiece(chunkNo, 9_000));
    const inTime = planDeadline(asked({ sealed, deadlineMs: 90 * MINUTE_MS }));
    const waits = planDeadline(asked({ sealed, deadlineMs: 90 * MINUTE_MS, batchesMax: 2 }));
    expect([inTime.release, waits.release]).toEqual([[], [3]]);
  });

  test('once it presses goes on until there is time to spare', () => {
    // Of 15 minutes the rest of the work takes 12: more than enough to begin, too little to leave off.
    const question = asked({ deadlineMs: 15 * MINUTE_MS, sealed: [sealedPiece(1, 1_000)], laneRows: 200 });
    expect(planDeadline(question).hurries).toBe(false);
    expect(planDeadline({ ...question, hurried: true }).hurries).toBe(true);
  });
});

/** A world in which batches take a day and the lane is as fast as it says. */
interface World {
  readonly question: DeadlineQuestion;
  readonly rows: number;
}

function worldOf(seed: number): World {
  const rng = seededRng(`deadline|${seed}`);
  const rowsPerMinute = integerBetween(rng, 20, 400);
  const deadlineMs = integerBetween(rng, 20, 300) * MINUTE_MS;
  const stopMs = integerBetween(rng, 0, 5) * MINUTE_MS;
  // Chunks of up to five minutes of the lane; together all that could make it, and a little less.
  const bound = (rowsPerMinute * (deadlineMs / 1.1 - stopMs - 2 * MINUTE_MS)) / MINUTE_MS;
  const sealed: SealedPiece[] = [];
  const batches: BatchPiece[] = [];
  let rows = 0;
  for (let chunkNo = 1; ; chunkNo++) {
    const more = integerBetween(rng, 1, 5 * rowsPerMinute);
    if (rows + more > bound || chunkNo > 2_000) break;
    rows += more;
    if (rng.next() < 0.5) sealed.push(sealedPiece(chunkNo, more));
    else batches.push(batchPiece(chunkNo, more, integerBetween(rng, 0, 20) * MINUTE_MS));
  }
  const batchMs = 24 * HOUR_MS;
  return { question: asked({ deadlineMs, sealed, batches, rowsPerMinute, stopMs, batchMs, batchesMax: 5_000 }), rows };
}

/** A look every half minute; gives when the last row was answered, and when the first one moved. */
function liveThrough({ question, rows }: World): { readonly doneMs: number; readonly firstMoveMs: number } {
  const stepMs = MINUTE_MS / 2;
  let { sealed, batches } = question;
  let [lane, answered, hurried, firstMoveMs] = [0, 0, false, Infinity];
  let coming: { readonly atMs: number; readonly rows: number }[] = [];
  for (let nowMs = 0; nowMs < 2 * question.deadlineMs; nowMs += stepMs) {
    for (const back of coming.filter(({ atMs }) => atMs <= nowMs)) lane += back.rows;
    coming = coming.filter(({ atMs }) => atMs > nowMs);
    const laneRows = lane + coming.reduce((sum, back) => sum + back.rows, 0);
    const plan = planDeadline({ ...question, nowMs, sealed, batches, laneRows, hurried });
    hurried = plan.hurries;
    if (plan.release.length + plan.stop.length > 0) firstMoveMs = Math.min(firstMoveMs, nowMs);
    for (const { chunkNo, rows: more } of sealed) if (plan.release.includes(chunkNo)) lane += more;
    for (const { chunkNo, rows: more } of batches) {
      if (plan.stop.includes(chunkNo)) coming.push({ atMs: nowMs + question.stopMs, rows: more });
    }
    sealed = sealed.filter(({ chunkNo }) => !plan.release.includes(chunkNo));
    batches = batches
      .filter(({ chunkNo }) => !plan.stop.includes(chunkNo))
      .map((batch) => ({ ...batch, ageMs: batch.ageMs + stepMs }));
    const done = Math.min(lane, (question.rowsPerMinute * stepMs) / MINUTE_MS);
    lane -= done;
    answered += done;
    if (answered >= rows - 1e-6) return { doneMs: nowMs + stepMs, firstMoveMs };
  }
  return { doneMs: Infinity, firstMoveMs };
}

describe('in a world where rates are what they seem', () => {
  test('all that could make it makes it', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const world = worldOf(seed);
      if (world.rows === 0) continue;
      const { doneMs } = liveThrough(world);
      expect(doneMs, `seed ${seed}`).toBeLessThanOrEqual(world.question.deadlineMs);
    }
  });

  test('nothing moves long before it has to', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const world = worldOf(seed);
      if (world.rows === 0) continue;
      const { question, rows } = world;
      const workMs = (rows * MINUTE_MS) / question.rowsPerMinute + question.stopMs;
      const latestMs = question.deadlineMs - workMs * 1.1 - 2 * MINUTE_MS;
      expect(liveThrough(world).firstMoveMs, `seed ${seed}`).toBeGreaterThanOrEqual(latestMs);
    }
  });
});

describe('of any question', () => {
  function anyQuestion(seed: number): DeadlineQuestion {
    const rng = seededRng(`any|${seed}`);
    const pieces = Array.from({ length: integerBetween(rng, 0, 12) }, (_unused, at) => ({
      ...batchPiece(at + 1, integerBetween(rng, 1, 5_000), integerBetween(rng, 0, 90) * MINUTE_MS),
      movable: rng.next() < 0.8,
    }));
    const cut = integerBetween(rng, 0, pieces.length);
    return asked({
      ...{ sealed: pieces.slice(0, cut), batches: pieces.slice(cut), laneRows: integerBetween(rng, 0, 2_000) },
      ...{ deadlineMs: integerBetween(rng, 1, 300) * MINUTE_MS, rowsPerMinute: integerBetween(rng, 1, 2_000) },
      ...{ othersMs: integerBetween(rng, 0, 20) * MINUTE_MS, batchesMax: integerBetween(rng, 1, 20) },
    });
  }

  test('a faster lane never makes more rows late', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const question = anyQuestion(seed);
      const faster = { ...question, rowsPerMinute: question.rowsPerMinute * 2 };
      expect(planDeadline(faster).lateRows, `seed ${seed}`).toBeLessThanOrEqual(planDeadline(question).lateRows);
    }
  });

  test('it never hurries for a later deadline and not for an earlier one that is not over', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const question = anyQuestion(seed);
      const later = { ...question, deadlineMs: question.deadlineMs + 17 * MINUTE_MS };
      if (planDeadline(later).hurries) expect(planDeadline(question).hurries, `seed ${seed}`).toBe(true);
    }
  });

  test('what moves is known, may move, and is not more than the lane can use', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const question = anyQuestion(seed);
      const plan = planDeadline(question);
      const moved = [...question.sealed.filter(({ chunkNo }) => plan.release.includes(chunkNo))];
      moved.push(...question.batches.filter(({ chunkNo }) => plan.stop.includes(chunkNo)));
      expect(moved).toHaveLength(plan.release.length + plan.stop.length);
      expect(moved.every(({ movable }) => movable)).toBe(true);
      const rows = question.laneRows + moved.reduce((sum, piece) => sum + piece.rows, 0);
      const last = moved.at(-1)?.rows ?? 0;
      const usable = ((AHEAD_MS + question.stopMs) * question.rowsPerMinute) / MINUTE_MS;
      if (moved.length > 0) expect(rows - last, `seed ${seed}`).toBeLessThan(usable);
    }
  });
});

describe('how long a batch takes', () => {
  test.each([
    ['before any has ended: an hour', [], HOUR_MS],
    ['after one: as long as that', [7], 7],
    ['nine of ten took no longer', [10, 1, 9, 2, 8, 3, 7, 4, 6, 5, 100], 10],
  ])('%s', (_what, took, expected) => {
    expect(slowBatchMs(took.map((tookMs) => ({ tookMs })))).toBe(expected);
  });
});
