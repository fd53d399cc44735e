/**
 * Every pair of states, legal or not, against the text of the design (section 3), written out once more by hand here:
 * a move that is added to the tables has to be added to the design and to this list.
 */
import { describe, expect, test } from 'vitest';
import {
  CHUNK_STATES,
  ROW_STATES,
  type AttemptState,
  type ChunkState,
  type RowState,
  type RunState,
} from '../../../src/domain/model.ts';
import {
  assertMove,
  ATTEMPT_MOVES,
  CHUNK_MOVES,
  isMove,
  OPEN_CHUNK_STATES,
  OPEN_ROW_STATES,
  ROW_MOVES,
  rowStateOfChunk,
  RUN_MOVES,
} from '../../../src/domain/transitions.ts';

const RUN_STATES: readonly RunState[] = ['ingesting', 'ready', 'active', 'canceling', 'done'];
const ATTEMPT_STATES: readonly AttemptState[] = ['open', 'created', 'not_created', 'uncertain'];

const RUN = `
  ingesting -> ready
  ready -> active | canceling
  active -> done | canceling
  canceling -> done
  done -> active`;

const CHUNK = `
  sealed -> submitting | split | canceled | collected
  submitting -> submitted | sealed | uncertain | split | refused
  uncertain -> submitted | sealed | canceled | lost
  submitted -> ended | uncertain | lost
  ended -> collected | uncertain | lost`;

/**
 * in_batch -> waiting is the way of a chunk that was surely not made; waiting -> canceled that of one never sent;
 * sealed -> collected is that of a copy chunk, and waiting -> any end that of its rows;
 * waiting -> retry that of one that goes row by row. What is canceled with an answer that was cut off has succeeded, and
 * with one that does not follow the run's schema failed.
 */
const ROW = `
  waiting -> in_batch | canceled | retry | succeeded | failed | expired
  in_batch -> waiting | succeeded | failed | expired | canceled | retry
  retry -> waiting | in_realtime | failed | expired | canceled | succeeded
  in_realtime -> succeeded | failed | retry
  failed -> retry
  expired -> retry
  canceled -> retry`;

const ATTEMPT = `
  open -> created | not_created | uncertain
  uncertain -> created | not_created
  created -> uncertain
  not_created -> created`;

/** `a -> b | c`, a line each, as pairs. */
function pairsOf(text: string): Set<string> {
  const pairs = new Set<string>();
  for (const line of text.trim().split('\n')) {
    const [from = '', targets = ''] = line.trim().split(' -> ');
    for (const to of targets.split(' | ')) pairs.add(`${from} -> ${to}`);
  }
  return pairs;
}

const MACHINES = [
  ['run', RUN_STATES, RUN, RUN_MOVES],
  ['chunk', CHUNK_STATES, CHUNK, CHUNK_MOVES],
  ['row', ROW_STATES, ROW, ROW_MOVES],
  ['attempt', ATTEMPT_STATES, ATTEMPT, ATTEMPT_MOVES],
] as const;

describe.each(MACHINES)('the states of a %s', (machine, states, text, moves) => {
  const legal = pairsOf(text);
  const pairs = states.flatMap((from) => states.map((to) => [from, to] as const));

  test('are all in the table, and no others', () => {
    expect(Object.keys(moves).toSorted()).toEqual([...states].toSorted());
  });

  test.each(pairs)('%s -> %s is as the design says', (from, to) => {
    const expected = legal.has(`${from} -> ${to}`);
    type Loose = (machine: string, from: string, to: string) => boolean;
    expect((isMove as Loose)(machine, from, to)).toBe(expected);
    const asserted = (): unknown => (assertMove as Loose)(machine, from, to);
    if (expected) expect(asserted).not.toThrow();
    else expect(asserted).toThrow(`a ${machine} cannot go from ${from} to ${to}`);
  });

  test('are reachable from the first one', () => {
    const reached = new Set<string>([states[0] ?? '']);
    for (let before = -1; before !== reached.size;) {
      before = reached.size;
      for (const pair of legal) {
        const [from = '', to = ''] = pair.split(' -> ');
        if (reached.has(from)) reached.add(to);
      }
    }
    const born = machine === 'row' ? ['invalid'] : [];
    expect([...reached, ...born].toSorted()).toEqual([...states].toSorted());
  });
});

describe('what follows from a state', () => {
  test('the rows of a chunk are where their chunk is, or have an outcome of their own', () => {
    const rows = Object.fromEntries(CHUNK_STATES.map((state) => [state, rowStateOfChunk(state)]));
    expect(rows).toEqual({
      sealed: 'waiting',
      submitting: 'in_batch',
      uncertain: 'in_batch',
      submitted: 'in_batch',
      ended: 'in_batch',
      collected: null,
      split: null,
      refused: null,
      canceled: null,
      lost: null,
    } satisfies Record<ChunkState, string | null>);
  });

  test('a chunk is open while it can move, and a row while batchrun moves it by itself', () => {
    expect(CHUNK_STATES.filter((state) => CHUNK_MOVES[state].length > 0)).toEqual(OPEN_CHUNK_STATES);
    const byRetryCommand: readonly RowState[] = ['failed', 'expired', 'canceled'];
    const moving = ROW_STATES.filter((state) => ROW_MOVES[state].length > 0 && !byRetryCommand.includes(state));
    expect(moving).toEqual(OPEN_ROW_STATES);
  });

  test('whatever a chunk does, the rows that follow from it make a legal move', () => {
    for (const from of CHUNK_STATES) {
      for (const to of CHUNK_MOVES[from]) {
        const [before, after] = [rowStateOfChunk(from), rowStateOfChunk(to)];
        if (before === null || after === null || before === after) continue;
        expect([from, to, isMove('row', before, after)]).toEqual([from, to, true]);
      }
    }
  });

  test('an illegal move is a bug of ours', () => {
    expect(() => assertMove('run', 'done', 'ready')).toThrow(expect.objectContaining({ code: 'E_BUG' }));
  });
});
