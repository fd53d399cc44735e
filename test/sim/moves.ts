/**
 * The judge of the state machines, inside the database and outside the program: triggers note every change of a state,
 * whoever writes it. Every pair must be in the tables of domain/transitions.ts, and every move of a run and a chunk must
 * have left its event, in the same order.
 */
import type { Db } from '../../src/adapters/sqlite/db.ts';
import type { AttemptState, ChunkState, RowState, RunState } from '../../src/domain/model.ts';
import { CHUNK_MOVES, isMove, RUN_MOVES } from '../../src/domain/transitions.ts';

interface Noted {
  readonly machine: 'run' | 'chunk' | 'row' | 'attempt';
  readonly place: string;
  /** Null: a new one. */
  readonly before: string | null;
  readonly after: string;
}

const TABLES = {
  run: { table: 'runs', place: 'new.id' },
  chunk: { table: 'chunks', place: `new.run_id || ':' || new.chunk_no` },
  row: { table: 'rows', place: `new.run_id || ':' || new.seq` },
  attempt: { table: 'attempts', place: 'new.id' },
} as const;

/** Begins to note every change of a state on this connection. */
export function noteMoves(db: Db): void {
  db.run('CREATE TEMP TABLE noted (id INTEGER PRIMARY KEY, machine TEXT, place TEXT, before TEXT, after TEXT)');
  for (const [machine, { table, place }] of Object.entries(TABLES)) {
    db.run(`CREATE TEMP TRIGGER ${machine}_made AFTER INSERT ON main.${table} BEGIN
      INSERT INTO noted (machine, place, before, after) VALUES ('${machine}', ${place}, NULL, new.state); END`);
    db.run(`CREATE TEMP TRIGGER ${machine}_moved AFTER UPDATE OF state ON main.${table} WHEN old.state <> new.state BEGIN
      INSERT INTO noted (machine, place, before, after) VALUES ('${machine}', ${place}, old.state, new.state); END`);
  }
}

/** How often finished runs were opened again. */
export function reopenings(db: Db): number {
  const sql = `SELECT count(*) AS times FROM noted WHERE machine = 'run' AND before = 'done' AND after = 'active'`;
  return db.get<{ times: number }>(sql)?.times ?? 0;
}

/** What is wrong with the moves so far. */
export function wrongMoves(db: Db): string[] {
  const noted = db.all<Noted>('SELECT machine, place, before, after FROM noted ORDER BY id');
  const wrong = new Set<string>();
  for (const { machine, before, after } of noted) {
    if (!isLegal(machine, before, after)) wrong.add(`a ${machine} went from ${before ?? 'nothing'} to ${after}`);
  }
  return [...wrong, ...untold(db, noted)];
}

function isLegal(machine: Noted['machine'], before: string | null, after: string): boolean {
  switch (machine) {
    case 'run':
      return before === null ? after === 'ingesting' : isMove('run', before as RunState, after as RunState);
    case 'chunk':
      // The row that a split found refused becomes a chunk that is refused at once; what an earlier run has answered,
      // one that is collected.
      if (before === null) return after === 'sealed' || after === 'refused' || after === 'collected';
      return isMove('chunk', before as ChunkState, after as ChunkState);
    case 'attempt':
      return before === null ? after === 'open' : isMove('attempt', before as AttemptState, after as AttemptState);
    case 'row':
      return isRowMove(before as RowState | null, after as RowState);
  }
}

/** While a row is in a chunk its record waits: `waiting` stands for `in_batch` as well, and so does no record at all. */
function isRowMove(before: RowState | null, after: RowState): boolean {
  if (before === null || before === 'waiting')
    return isMove('row', 'in_batch', after) || isMove('row', 'waiting', after);
  return isMove('row', before, after);
}

/** Moves of runs and chunks that left no event, or another one. */
function untold(db: Db, noted: readonly Noted[]): string[] {
  const moves = new Map<string, string[]>();
  const told = new Map<string, string[]>();
  const add = (map: Map<string, string[]>, place: string, state: string): void => {
    const known = map.get(place);
    if (known) known.push(state);
    else map.set(place, [state]);
  };
  const runs = db.all<{ place: string }>('SELECT id AS place FROM runs');
  // Chunks that were written anew while their run was being read are gone, and what was told of them.
  const chunks = db.all<{ place: string }>("SELECT run_id || ':' || chunk_no AS place FROM chunks");
  const alive = new Set([...runs, ...chunks].map(({ place }) => place));
  for (const { machine, place, after } of noted) {
    if ((machine === 'run' || machine === 'chunk') && alive.has(place)) add(moves, place, after);
  }
  const events = db.all<{ kind: string; run_id: string; chunk_no: number | null }>(
    'SELECT kind, run_id, chunk_no FROM events ORDER BY id',
  );
  for (const { kind, run_id: runId, chunk_no: chunkNo } of events) {
    const [what, state = ''] = kind.split('.');
    if (what === 'run' && state in RUN_MOVES) add(told, runId, state);
    if (what === 'chunk' && chunkNo !== null && state in CHUNK_MOVES) add(told, `${runId}:${chunkNo}`, state);
  }
  return [...moves].flatMap(([place, states]) => {
    const said = told.get(place) ?? [];
    if (states.join() === said.join()) return [];
    return [`${place} moved ${states.join(', ')}; its events say ${said.join(', ')}`];
  });
}
