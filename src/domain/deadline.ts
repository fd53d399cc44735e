/**
 * What a deadline asks for now. As long as the realtime lane could still do later all that may come too late, nothing
 * moves: batches cost half. From the moment when it could not, just so much moves that the lane is kept busy, because
 * batches may still end meanwhile. What cannot make it even so is counted, so that it is said early.
 */
import { BATCH_TYPICAL_MS } from './limits.ts';

/** A sealed chunk, in the order in which chunks are uploaded. */
export interface SealedPiece {
  readonly chunkNo: number;
  readonly rows: number;
  /** Its rows may be called. */
  readonly movable: boolean;
}

/** A chunk that is or may be with a batch. */
export interface BatchPiece extends SealedPiece {
  readonly ageMs: number;
}

export interface DeadlineQuestion {
  readonly nowMs: number;
  readonly deadlineMs: number;
  readonly sealed: readonly SealedPiece[];
  readonly batches: readonly BatchPiece[];
  /** Rows of the run that wait for the lane, are in it, or come back from batches that are being stopped. */
  readonly laneRows: number;
  /** What the lane has to do for others before. */
  readonly othersMs: number;
  readonly rowsPerMinute: number;
  /** How long nine of ten batches took. */
  readonly batchMs: number;
  /** From asking for the end of a batch until its rows can be called. */
  readonly stopMs: number;
  /** Batches that may be open at once; sealed chunks beyond them wait for others to end. */
  readonly batchesMax: number;
  /** It hurried at the last look: then it goes on until there is time to spare, not back and forth. */
  readonly hurried: boolean;
}

export interface DeadlinePlan {
  /** Sealed chunks whose rows are to be called, and chunks whose batch is to be stopped for it. */
  readonly release: readonly number[];
  readonly stop: readonly number[];
  /** Without the lane it would be late: rows that wait go there. */
  readonly hurries: boolean;
  /** Rows that are not done by then whatever is done, and when the last row of the run will be. */
  readonly lateRows: number;
  readonly doneAtMs: number;
}

/** Work of the lane that is moved ahead of it: more would take rows out of batches that may still end. */
export const AHEAD_MS = 600_000;
/** Rates are estimates: a tenth more time than they say. Whoever hurries stops only where half as much again would do. */
const SLACK = 1.1;
const SLACK_HURRIED = 1.5;
/** Between two looks of the driver, and for the last calls. */
const LOOK_MS = 60_000;
/** Of a chunk that is late as a batch this share has to make it, so that it is worth the double price of its rows. */
const SHARE_MIN = 0.1;
/** Of a batch that may end any time: stopped, all its rows begin anew. */
const SHARE_MIN_OVERDUE = 0.5;

/** Something that is expected to end after the deadline. */
interface Risk {
  readonly chunkNo: number;
  readonly rows: number;
  readonly kind: 'sealed' | 'batch';
  readonly overdue: boolean;
  /** When it ends if nothing is done. */
  readonly endsInMs: number;
}

export function planDeadline(question: DeadlineQuestion): DeadlinePlan {
  const { nowMs, deadlineMs, laneRows } = question;
  const leftMs = deadlineMs - nowMs;
  const { movable, stuckRows, safeEndMs } = sorted(question, leftMs);
  if (leftMs <= 0) {
    const openRows = laneRows + stuckRows + sum(movable);
    const endMs = Math.max(safeEndMs, laneMs(question, laneRows), ...movable.map((risk) => risk.endsInMs));
    return { release: [], stop: [], hurries: false, lateRows: openRows, doneAtMs: Math.round(nowMs + endMs) };
  }
  const hurries = wholeMs(question, movable) * (question.hurried ? SLACK_HURRIED : SLACK) + LOOK_MS >= leftMs;
  const course = runLane(question, movable, leftMs);
  const lateRows = course.lateRows + stuckRows;
  const doneAtMs = Math.round(nowMs + Math.max(safeEndMs, course.endMs));
  if (!hurries) return { release: [], stop: [], hurries, lateRows, doneAtMs };
  return { ...nextMoves(question, course.taken), hurries, lateRows, doneAtMs };
}

interface Sorted {
  /** At risk, in the order in which they would be moved: what no batch has yet, then the youngest batches. */
  readonly movable: readonly Risk[];
  /** At risk, and nothing can be done about it. */
  readonly stuckRows: number;
  /** When the last of all that is not moved ends. */
  readonly safeEndMs: number;
}

function sorted({ sealed, batches, batchMs, batchesMax }: DeadlineQuestion, leftMs: number): Sorted {
  const risks: (Risk & { readonly movable: boolean })[] = [];
  let safeEndMs = 0;
  const look = (risk: Risk, movable: boolean): void => {
    if (risk.overdue || risk.endsInMs > leftMs) risks.push({ ...risk, movable });
    if (!movable || !(risk.overdue || risk.endsInMs > leftMs)) safeEndMs = Math.max(safeEndMs, risk.endsInMs);
  };
  for (const [at, { chunkNo, rows, movable }] of sealed.entries()) {
    const waves = 1 + Math.floor((batches.length + at) / Math.max(1, batchesMax));
    look({ chunkNo, rows, kind: 'sealed', overdue: false, endsInMs: waves * batchMs }, movable);
  }
  for (const { chunkNo, rows, ageMs, movable } of [...batches].sort((one, other) => one.ageMs - other.ageMs)) {
    const overdue = ageMs >= batchMs;
    // One that took longer than nine of ten may end any time; until it does nobody can count on it.
    look({ chunkNo, rows, kind: 'batch', overdue, endsInMs: overdue ? batchMs : batchMs - ageMs }, movable);
  }
  const stuckRows = sum(risks.filter((risk) => !risk.movable));
  return { movable: risks.filter((risk) => risk.movable), stuckRows, safeEndMs };
}

/** How long the lane would take for all of it, begun now. */
function wholeMs(question: DeadlineQuestion, risks: readonly Risk[]): number {
  const inBatches = sum(risks.filter((risk) => risk.kind === 'batch'));
  const firstMs = laneMs(question, question.laneRows + sum(risks) - inBatches);
  // The rows of a batch come when it has stopped.
  return inBatches === 0 ? firstMs : Math.max(firstMs, question.stopMs) + rowsMs(question, inBatches);
}

interface Course {
  /** Worth being moved. */
  readonly taken: readonly Risk[];
  readonly lateRows: number;
  readonly endMs: number;
}

/** The lane does one after the other. What would hardly begin before the deadline is left where it is. */
function runLane(question: DeadlineQuestion, risks: readonly Risk[], leftMs: number): Course {
  const { laneRows, stopMs } = question;
  const perMs = question.rowsPerMinute / 60_000;
  const taken: Risk[] = [];
  let atMs = laneMs(question, laneRows);
  let lateRows = Math.max(0, laneRows - rowsIn(Math.max(0, leftMs - question.othersMs), perMs));
  let endMs = laneRows > 0 ? atMs : 0;
  for (const risk of risks) {
    const beginMs = risk.kind === 'batch' ? Math.max(atMs, stopMs) : atMs;
    const madeRows = Math.min(risk.rows, rowsIn(Math.max(0, leftMs - beginMs), perMs));
    if (madeRows === 0 || madeRows < risk.rows * (risk.overdue ? SHARE_MIN_OVERDUE : SHARE_MIN)) {
      lateRows += risk.rows;
      endMs = Math.max(endMs, risk.endsInMs);
      continue;
    }
    taken.push(risk);
    lateRows += risk.rows - madeRows;
    atMs = beginMs + risk.rows / perMs;
    endMs = Math.max(endMs, atMs);
  }
  return { taken, lateRows, endMs };
}

/** As many chunks as keep the lane busy. Batches need time to stop, and are stopped only when nothing else is left. */
function nextMoves(question: DeadlineQuestion, taken: readonly Risk[]): Pick<DeadlinePlan, 'release' | 'stop'> {
  const { laneRows, stopMs } = question;
  const moves: Record<Risk['kind'], number[]> = { sealed: [], batch: [] };
  let rows = laneRows;
  for (const { kind, chunkNo, rows: more } of taken) {
    if (laneMs(question, rows) >= AHEAD_MS + (kind === 'batch' ? stopMs : 0)) break;
    moves[kind].push(chunkNo);
    rows += more;
  }
  return { release: moves.sealed, stop: moves.batch };
}

/** How long the lane takes for these rows, after what it does for others. */
function laneMs({ othersMs, rowsPerMinute }: DeadlineQuestion, rows: number): number {
  return othersMs + rowsMs({ rowsPerMinute }, rows);
}

function rowsMs({ rowsPerMinute }: Pick<DeadlineQuestion, 'rowsPerMinute'>, rows: number): number {
  return (rows * 60_000) / rowsPerMinute;
}

/** Whole rows; a hair less than one is one. */
function rowsIn(ms: number, perMs: number): number {
  return Math.floor(ms * perMs + 1e-6);
}

function sum(risks: readonly Risk[]): number {
  return risks.reduce((total, risk) => total + risk.rows, 0);
}

/** So many batches, newest first, say how long one takes; before there are any, what the documentation says of most. */
export const HISTORY_BATCHES = 50;
const SLOW_SHARE = 0.9;

/** How long nine of ten of these took. */
export function slowBatchMs(history: readonly { readonly tookMs: number }[]): number {
  const took = history.map(({ tookMs }) => tookMs).sort((one, other) => one - other);
  return took[Math.min(took.length - 1, Math.floor(took.length * SLOW_SHARE))] ?? BATCH_TYPICAL_MS;
}
