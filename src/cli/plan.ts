/**
 * `batchrun plan`: what a job will cost and how long it will take, before anything is sent. The input is read exactly as
 * submit reads it, and nothing of it stays; of the API only count_tokens is asked, on a sample, and only with credentials.
 * Without an input it plans a load that is described in numbers (plan-capacity.ts).
 */
import { systemClock } from '../base/clock.ts';
import { BatchrunError, isBatchrunError } from '../base/errors.ts';
import { seenOutput, type SeenOutput } from '../domain/estimate/output.ts';
import type { Band } from '../domain/estimate/band.ts';
import type { Lane, ModelMix, UsageEntry } from '../domain/model.ts';
import { priceOf } from '../domain/pricing.ts';
import type { Store } from '../domain/store.ts';
import type { Engine } from '../engine/engine.ts';
import { ingest, type IngestReport } from '../engine/ingest/ingest.ts';
import { sweep } from '../engine/cleanup/sweep.ts';
import type { PlanAccount } from '../tools/plan/account.ts';
import { candidatesOf, type Candidate, type CandidatePart } from '../tools/plan/candidates.ts';
import { countModels, NO_COUNTS, type Counts } from '../tools/plan/counts.ts';
import { lookAtSample, rowsAbove, type SampleLook } from '../tools/plan/look.ts';
import type { LongRows } from '../tools/plan/model-view.ts';
import { defaultModels } from '../tools/plan/models.ts';
import { makePlan } from '../tools/plan/plan.ts';
import type { PlanRoute } from '../tools/plan/question.ts';
import type { PlanView } from '../tools/plan/view.ts';
import type { ApiLink } from './drive/api-link.ts';
import { createEngine, findCredentials, hasState, openStore, systemNow, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { accountFor, warnOfTier } from './plan/plan-account.ts';
import { runCapacity } from './plan/plan-capacity.ts';
import { createTelling } from './terminal/telling.ts';
import { problemsText } from './render/problems-text.ts';
import { planText } from './render/plan-text.ts';
import { writeReport } from './files/report-file.ts';
import { withScratchFolder } from './files/scratch.ts';
import { ingestRequest } from './submit.ts';
import { planReport } from '../tools/plan/report.ts';
import { jsonText } from './terminal/ui.ts';

export async function runPlan(context: Context, inputs: readonly string[], argv: readonly string[]): Promise<number> {
  warnOfTier(context);
  if (inputs.length === 0) return runCapacity(context, argv);
  refuseCapacityFlags(context);
  if (hasState(context.stateFolder)) return planOfInput(context, inputs, argv);
  // A plan leaves nothing behind: without a state it makes one elsewhere, for as long as it takes.
  return withScratchFolder((stateFolder) => planOfInput({ ...context, stateFolder }, inputs, argv));
}

async function planOfInput(context: Context, inputs: readonly string[], argv: readonly string[]): Promise<number> {
  const { terminal } = context;
  const { link, offline } = await credentials(context);
  const store = await openStore(context.stateFolder);
  try {
    const progress = createTelling(context);
    const engine = await createEngine(context, { store, emit: progress.emit, passing: true });
    await sweep(engine);
    const { report, seen } = await readInput(context, { engine, inputs, argv, link });
    progress.stop();
    if (report.problemCount > 0) terminal.talk(problemsText(report.problems, report.problemCount));
    const view = await planOf(context, { store, link, offline, report, seen });
    await show(context, view, inputs);
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

/** They describe a load without a file. */
function refuseCapacityFlags({ flags }: Context): void {
  const given = [
    ['--rows', flags.rows],
    ['--input-tokens', flags.inputTokens],
    ['--rpm', flags.rpm],
  ] as const;
  const [first] = given.find(([, value]) => value !== undefined) ?? [];
  if (first === undefined) return;
  throw new BatchrunError('E_USAGE', `${first} describes a load without a file, and an input is given`, {
    hint: `Leave out ${first}, or the input.`,
  });
}

interface Connection {
  readonly link: ApiLink | null;
  /** Why the API is not asked. */
  readonly offline: string | null;
}

async function credentials(context: Context): Promise<Connection> {
  if (context.flags.preflight === false) return { link: null, offline: '--no-preflight' };
  try {
    return { link: await findCredentials(context), offline: null };
  } catch (error) {
    if (!isBatchrunError(error, 'E_CREDENTIALS')) throw error;
    return { link: null, offline: 'no credentials' };
  }
}

interface Seen {
  readonly look: SampleLook;
  readonly counts: Counts;
  /** Rows larger than what a request at the price step of long prompts has, by model and end of the band. */
  readonly long: ReadonlyMap<string, LongRows>;
  readonly candidates: readonly Candidate[];
}

interface Reading {
  readonly engine: Engine;
  readonly inputs: readonly string[];
  readonly argv: readonly string[];
  readonly link: ApiLink | null;
}

/** Everything that needs the chunk files is done while they are there: they go when the reading comes back. */
async function readInput(context: Context, reading: Reading): Promise<{ report: IngestReport; seen: Seen }> {
  const { engine, inputs, argv, link } = reading;
  const options = { command: 'submit', argv, wait: false } as const;
  const request = await ingestRequest(context, { engine, inputs, link, options });
  const seen: Seen[] = [];
  const report = await ingest(engine, {
    ...request,
    dryRun: true,
    confirm: async (so) => {
      seen.push(await look(context, { ...reading, report: so }));
      return so.mix;
    },
  });
  const [one] = seen;
  if (!one) throw new BatchrunError('E_BUG', 'this must not happen: the input was read and not looked at');
  return { report, seen: one };
}

async function look(
  context: Context,
  { engine, link, report }: Reading & { readonly report: IngestReport },
): Promise<Seen> {
  const { flags, signal } = context;
  const { store } = engine;
  const sample = await lookAtSample(engine, report.runId);
  const own = Object.keys(report.mix);
  const compared = comparedModels(context, own);
  const counts =
    link === null
      ? NO_COUNTS
      : await countModels({ api: link.api, clock: systemClock, rng: engine.rng, signal }, sample, [
          ...own,
          ...compared,
        ]);
  const earlier = await earlierAnswers(store);
  const candidates = candidatesOf({
    ...{ look: sample, counts, mix: report.mix, compared, outputTold: flags.outputTokens },
    seen: (model) => earlier(model),
  });
  return { look: sample, counts, candidates, long: await longRows(store, report, candidates) };
}

function comparedModels({ flags }: Context, own: readonly string[]): string[] {
  const asked = flags.models ?? defaultModels(systemNow());
  return [...new Set(asked)].filter((model) => !(own.length === 1 && own[0] === model));
}

/** Average answers of each earlier run of this state, by model. */
async function earlierAnswers(store: Store): Promise<(model: string) => readonly SeenOutput[]> {
  const usages: (readonly UsageEntry[])[] = [];
  for (const run of (await store.runs()).slice(-EARLIER_RUNS_MAX)) usages.push(await store.usage(run.id));
  return (model) => usages.map((usage) => seenOutput(model, usage)).filter((seen) => seen !== null);
}

const EARLIER_RUNS_MAX = 50;

const longKey = (model: string, end: keyof Band): string => `${model} ${end}`;
const ENDS = ['low', 'expected', 'high'] as const;

/** Where the longest row may pass the price step of long prompts, the rows above it are counted by their sizes. */
async function longRows(
  store: Store,
  report: IngestReport,
  candidates: readonly Candidate[],
): Promise<ReadonlyMap<string, LongRows>> {
  const asked = candidates.flatMap(({ parts }) => parts.flatMap((part) => thresholds(part)));
  const found = new Map<string, LongRows>();
  if (asked.length === 0) return found;
  const rows = await rowsAbove(
    store,
    report.runId,
    asked.map(({ bytes }) => bytes),
  );
  asked.forEach(({ key, perByte, share }, at) => {
    const above = rows[at];
    if (above) found.set(key, { rows: above.rows * share, inputTokens: above.bytes * perByte * share });
  });
  // Rows of a mix are not told apart by their model: each has its share of the long ones.
  return found;

  function thresholds({ model, part, input, longestTokens }: CandidatePart): Threshold[] {
    const step = priceOf(model)?.longPrompt?.thresholdTokens;
    if (step === undefined || longestTokens <= step) return [];
    const share = part.rows / Math.max(1, rowsOfMix(report.mix));
    return ENDS.map((end) => {
      const perByte = input.tokens[end] / Math.max(1, part.bytes);
      return { key: longKey(model, end), bytes: step / perByte, perByte, share };
    });
  }
}

interface Threshold {
  readonly key: string;
  readonly bytes: number;
  readonly perByte: number;
  readonly share: number;
}

function rowsOfMix(mix: ModelMix): number {
  return Object.values(mix).reduce((sum, { rows }) => sum + rows, 0);
}

interface Planning extends Connection {
  readonly store: Store;
  readonly report: IngestReport;
  readonly seen: Seen;
}

const NO_LONG_ROWS: LongRows = { rows: 0, inputTokens: 0 };

async function planOf(context: Context, { store, link, offline, report, seen }: Planning): Promise<PlanView> {
  const { flags } = context;
  const account: PlanAccount = await accountFor(context, store, link);
  const { deadline, maxCost } = flags;
  return makePlan({
    ...{ candidates: seen.candidates, counts: seen.counts, account },
    ...{ rows: { total: report.rows, invalid: report.invalid }, chunks: report.chunks, bytes: report.bytes },
    ...{ batchesMax: flags.maxBatches, concurrency: flags.concurrency, nowMs: systemNow() },
    deadlineMs: deadline === undefined || deadline === 'none' ? null : deadline,
    maxCostUsd: maxCost === undefined || maxCost === 'none' ? null : maxCost,
    lane: flags.realtime === true ? 'realtime' : 'batch',
    offline: offline ?? stoppedText(seen.counts),
    longRows: ({ model }, end) => seen.long.get(longKey(model, end)) ?? NO_LONG_ROWS,
    routes: routesOf(report, flags.realtime === true ? 'realtime' : 'batch'),
    duplicates: duplicatesOf(report),
  });
}

/** What each rule of --routes took, by model. */
function routesOf({ routes }: IngestReport, lane: Lane): readonly PlanRoute[] | null {
  if (routes.length === 0) return null;
  return routes.flatMap((route) =>
    // A run that is wanted realtime as a whole goes before its routes, as in submit.
    Object.entries(route.mix).map(([model, sums]) => ({
      ...{ route: route.name, model, sums },
      lane: lane === 'realtime' ? lane : (route.lane ?? lane),
    })),
  );
}

/** What `--dedupe` would spare where it is off. */
function duplicatesOf({ saving }: IngestReport): PlanView['duplicates'] {
  const spared = saving?.duplicates ?? null;
  return spared && { rows: spared.rows, exact: spared.exact, saved_usd: spared.usd };
}

/** Nothing at all was counted, and why. */
function stoppedText({ byModel, stopped }: Counts): string | null {
  if ([...byModel.values()].some(({ tokens }) => tokens.size > 0)) return null;
  if (stopped?.kind === 'failed') {
    const { status, connection } = stopped.failure;
    return `the API could not be asked: ${status ?? connection ?? 'no answer'}`;
  }
  return stopped === null ? 'no row could be counted' : 'there was no time to count';
}

async function show(context: Context, view: PlanView, inputs: readonly string[]): Promise<void> {
  const { flags, terminal } = context;
  if (flags.html !== undefined) {
    const path = writeReport(flags.html, planReport(view, inputs.join(', ')));
    terminal.talk(`The report is in ${path}`);
  }
  if (flags.json === true) await terminal.data(jsonText(view));
  else await terminal.text(`${planText(view, { color: terminal.dataColor })}\n`);
}
