/**
 * A job rehearsed: its input is read once, by the engine's own ingest and with stand-ins in the place of its rows
 * (stand-in.ts), and then the run is driven to its end once for each seed, each time from the same sealed chunks.
 */
import { BatchrunError } from '../../base/errors.ts';
import { formatBytes, formatCount } from '../../base/units.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { PreparedRows } from '../../domain/row/prepare-rows.ts';
import type { NewRun } from '../../domain/store-steps.ts';
import type { Engine, Pacing } from '../../engine/engine.ts';
import { ingest, type IngestReport } from '../../engine/ingest/ingest.ts';
import { accountOf, type Account, type Ground, type KnownAccount } from './account.ts';
import { FAULT_LEVELS, type FaultLevel } from './assumptions.ts';
import { quietEngine, rehearseNight, type Night, type NightParts } from './night.ts';
import { newTally, standIns, type RowTally } from './stand-in.ts';
import type { Slice } from './timeline.ts';
import { chartSlices, rangeOf, viewNight, type NightView, type RehearsalView } from './view.ts';

export interface RehearsalParts extends NightParts {
  /** The same state, to go on with without changing this one. */
  copy(): RehearsalParts;
}

export interface RehearsalRequest {
  readonly rows: PreparedRows;
  readonly inputs: readonly string[];
  readonly settings: NewRun['settings'];
  readonly onInvalid: 'fail' | 'skip';
  readonly known: KnownAccount;
  readonly faults: FaultLevel;
  readonly pacing: Pacing;
  readonly seed: number;
  /** How many nights, each with the seed after the one before; null: as many as are cheap. */
  readonly nights: number | null;
  /** What the time is, as far as prices and models go by it. */
  readonly startMs: number;
  /** From the start; null without one. */
  readonly deadlineAfterMs: number | null;
  readonly signal: AbortSignal;
  readonly emit: Engine['emit'];
  /** Called when everything is read, and after each seed. */
  readonly onStep: (step: { readonly report: IngestReport; readonly done: number; readonly of: number }) => void;
}

export interface Rehearsal {
  readonly view: RehearsalView;
  readonly report: IngestReport;
  /** Of the night that is shown. */
  readonly slices: readonly Slice[];
}

/** A night of so many rows takes about a second: chance is shown by several. */
const SEEDS: readonly { readonly rowsMax: number; readonly seeds: number }[] = [
  { rowsMax: 20_000, seeds: 5 },
  { rowsMax: 120_000, seeds: 3 },
];
/** The input is read at an instant of its own, so that the same rows are the same run whenever they are rehearsed. */
const READ_AT_MS = Date.UTC(2026, 10, 20);

export async function rehearse(parts: RehearsalParts, request: RehearsalRequest): Promise<Rehearsal> {
  const tally = newTally();
  const report = await read(parts, request, tally);
  const faults = FAULT_LEVELS[request.faults];
  const account = accountOf(request.known, Object.keys(report.mix), faults.slowness);
  const seeds = seedsFor(report, request);
  request.onStep({ report, done: 0, of: seeds.length });
  const nights: { readonly view: NightView; readonly slices: readonly Slice[] }[] = [];
  for (const seed of seeds) {
    const { runId } = report;
    const { startMs, pacing, signal } = request;
    const common = { runId, startMs, account, faults, pacing, signal, history: request.known.history };
    // The last one may use up what was read.
    const own = seeds.length - nights.length > 1 ? parts.copy() : parts;
    const night = await rehearseNight(own, { ...common, seed: String(seed) });
    nights.push(shown(night, account, request));
    request.onStep({ report, done: nights.length, of: seeds.length });
  }
  const middle = middleOf(nights);
  const view = viewOf({
    report,
    request,
    tally,
    account,
    nights: nights.map((night) => night.view),
    middle: middle.view,
  });
  return { view, report, slices: middle.slices };
}

/** As `submit` reads it, with its checks and refusals. */
async function read(parts: RehearsalParts, request: RehearsalRequest, tally: RowTally): Promise<IngestReport> {
  const { rows, inputs, settings, onInvalid, seed, startMs, signal, emit } = request;
  const clock = new VirtualClock(READ_AT_MS);
  const engine = { ...quietEngine(parts, { clock, seed: String(seed), signal }), emit };
  const api = await parts.connect(() => Promise.reject(new Error('nothing is sent while reading')), clock);
  const { origin, workspace } = api;
  return ingest(engine, {
    rows: standIns(rows, tally, startMs),
    inputs,
    run: {
      ...{ name: null, origin, workspace, settings, settingHashes: {}, format: 'jsonl', overwrite: true },
      ...{ output: '/results.jsonl', errors: null },
    },
    scope: { origin, workspaceHeader: null, name: null },
    ...{ onInvalid, again: false, dryRun: false },
  });
}

function seedsFor({ rows }: IngestReport, { seed: first, nights }: RehearsalRequest): readonly number[] {
  const count = nights ?? SEEDS.find(({ rowsMax }) => rows <= rowsMax)?.seeds ?? 1;
  return Array.from({ length: count }, (_, nth) => first + nth);
}

function shown(
  night: Night,
  { queueMax }: Account,
  { deadlineAfterMs }: RehearsalRequest,
): { readonly view: NightView; readonly slices: readonly Slice[] } {
  return { view: viewNight(night, { queueMax, deadlineAfterMs }), slices: chartSlices(night) };
}

/** A night that does not come to its end is longer than any. */
function middleOf<T extends { readonly view: NightView }>(nights: readonly T[]): T {
  const length = ({ view }: T): number => (view.finishes ? view.ends_after_seconds : Infinity);
  const byLength = [...nights].sort((one, other) => (length(one) === length(other) ? 0 : length(one) - length(other)));
  const middle = byLength[Math.floor((byLength.length - 1) / 2)];
  if (!middle) throw new BatchrunError('E_BUG', 'this must not happen: no night was rehearsed');
  return middle;
}

interface ViewParts {
  readonly report: IngestReport;
  readonly request: RehearsalRequest;
  readonly tally: RowTally;
  readonly account: Account;
  readonly nights: readonly NightView[];
  readonly middle: NightView;
}

function viewOf({ report, request, tally, account, nights, middle }: ViewParts): RehearsalView {
  const faults = FAULT_LEVELS[request.faults];
  const hasDeadline = request.deadlineAfterMs !== null;
  return {
    rows: report.rows,
    invalid: report.invalid,
    chunks: report.chunks,
    bytes: report.bytes,
    input_tokens: tally.inputTokens,
    models: Object.keys(report.mix),
    faults: request.faults,
    grounds: [...account.grounds, { what: 'faults', text: faults.text, source: '--faults' } satisfies Ground],
    notes: notesOf(tally),
    range: {
      seeds: nights.length,
      ends_after_seconds: rangeOf(nights.map((night) => (night.finishes ? night.ends_after_seconds : null))),
      cost_usd: rangeOf(nights.map((night) => night.cost_usd.total)),
      finishes: nights.filter((night) => night.finishes).length,
      deadline_met: hasDeadline ? nights.filter((night) => night.deadline?.met === true).length : null,
    },
    night: middle,
  };
}

/** A row takes so much memory: the simulator remembers each. */
const BYTES_PER_ROW = 250;
const MANY_ROWS = 2_000_000;

function notesOf({ rows, problems }: RowTally): string[] {
  const memory = formatBytes(rows * BYTES_PER_ROW);
  return [
    ...[...problems].map(
      ([problem, count]) => `${formatCount(count)} of ${formatCount(rows)} rows would come back errored: ${problem}`,
    ),
    'Every answer is taken to be as long as the average. Tokens of input are an estimate by bytes; `batchrun plan` counts a sample.',
    'Reading and sealing the input is not in it: that takes as long as it just did.',
    ...(rows < MANY_ROWS
      ? []
      : [`A rehearsal keeps every row in memory, here about ${memory}: --limit rehearses a part.`]),
  ];
}
