/**
 * What one seed means: the rows, the settings and the rates of everything that goes wrong. Of the faults some are
 * switched off entirely, so that the others can be seen alone (swarm testing).
 */
import { chance, integerBetween, pick, seededRng, type Rng } from '../../src/base/random.ts';
import type { Coalescing, RetryLaneMode } from '../../src/domain/model.ts';
import { FAULT_NAMES, type FaultName } from '../../src/tools/sim/faults.ts';
import type { SimRates } from '../../src/tools/sim/options.ts';
import { withSchema, type SchemaPlan } from './schema-runs.ts';
import type { CacheTtl } from '../../src/domain/cache/ttl.ts';
import { cachePlanOf, markedAs, withPrefix } from './caching.ts';
import { troublesOf, type Troubles } from './troubles.ts';

export interface InputRow {
  /** Undefined: the row gets its line number. */
  readonly customId: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
  readonly betas: readonly string[];
  readonly valid: boolean;
  /** The API refuses it when it is called; nothing here knows. */
  readonly refused?: boolean;
}

export interface Plan {
  readonly seed: string;
  readonly rows: readonly InputRow[];
  readonly chunkRows: number;
  readonly maxBatches: number;
  readonly concurrency: number;
  readonly maxAttempts: number;
  readonly retryLane: RetryLaneMode;
  /** Where it is not 0, some rows have so few max_tokens that their answers are cut. */
  readonly retryTruncated: number;
  /** Answers must follow a schema; null: any answer will do. */
  readonly schema: SchemaPlan | null;
  /** Rows share a prefix that is kept in the prompt cache for so long; null: they share nothing. */
  readonly cache: CacheTtl | null;
  readonly graceMs: number;
  readonly listLagMs: number;
  readonly batchDurationMs: readonly [number, number];
  readonly latencyMs: readonly [number, number];
  readonly messageLatencyMs: readonly [number, number];
  readonly expiresAfterMs: number;
  readonly queueMax: number;
  readonly diskMsMax: number;
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  readonly rates: Partial<SimRates>;
  /** Foreign batches of the same size as ours, per virtual hour. */
  readonly foreignPerHour: number;
  /** Incarnations with faults. */
  readonly lives: number;
  readonly crashRate: number;
  readonly besideRate: number;
  readonly cancelRate: number;
  readonly troubles: Troubles;
  /** Some rows ask what others ask, and are to take their answers; null: each asks for itself. */
  readonly coalesce: Coalescing | null;
}

const MINUTE_MS = 60_000;
/** Every answer to this fault costs 24 h or makes rows fail: rarer than the rest. */
const RARE: ReadonlySet<FaultName> = new Set(['batch.expire', 'batch.canceled_by_other', 'create.413']);

/** Few seeds cancel: those that do meet these. */
const CANCEL_FAULTS = { 'cancel.500': 0.3, 'cancel.500_after': 0.3 } as const;

/** Where the list lags beyond the grace, creates whose answer is lost are what makes a second batch. */
const LAG_FAULTS = { 'list.lag': 0.5, 'create.hang_after': 0.2, 'create.504_after': 0.2 } as const;

export function planOf(seed: string | number): Plan {
  const plan = withSchema(withRefusal(withCache(withDuplicates(withCutOffs(withAbsentList(drawn(seed)))))));
  if (!plan.troubles.lagsBeyondGrace) return plan;
  const rng = seededRng(`lag|share|${seed}`);
  const listLagMs = Math.floor(plan.graceMs * (1.2 + 2 * rng.next()));
  return { ...plan, listLagMs, faults: { ...plan.faults, ...LAG_FAULTS } };
}

/** A list that is not found. From a stream of its own, so that the rest of a seed stays as it is. */
function withAbsentList(plan: Plan): Plan {
  const rng = seededRng(`absent list|${plan.seed}`);
  if (Object.keys(plan.faults).length === 0 || !chance(rng, 0.4)) return plan;
  return { ...plan, faults: { ...plan.faults, 'list.404': pick(rng, [0.02, 0.1, 0.3]) } };
}

/** From a stream of its own as well. */
function withCutOffs(plan: Plan): Plan {
  const rng = seededRng(`truncated|${plan.seed}`);
  if (!chance(rng, 0.3)) return plan;
  const rows = plan.rows.map((row) => {
    // 12 bytes of an answer of about 30: three tries bring it whole.
    const params = chance(rng, 0.4) ? { ...row.params, max_tokens: 3 } : row.params;
    return { ...row, params };
  });
  // Few rows would nearly always go realtime.
  const retryLane = chance(rng, 0.5) ? 'batch' : plan.retryLane;
  return { ...plan, rows, retryLane, retryTruncated: pick(rng, [1, 2, 5]) };
}

/** What the pilot of this seed is there to find. */
function withRefusal(plan: Plan): Plan {
  const at = pilotRows(plan)[plan.troubles.pilot?.refusedNth ?? -1];
  if (at === undefined) return plan;
  const rows = plan.rows.map((row, nth) =>
    nth === at ? { ...row, params: { ...row.params, metadata: { shoe: 'size' } }, refused: true } : row,
  );
  return { ...plan, rows };
}

/** The rows of the pilot, by their numbers: the first that may be sent. */
export function pilotRows(plan: Pick<Plan, 'rows' | 'troubles' | 'coalesce'>): readonly number[] {
  const { rows, troubles, coalesce } = plan;
  const isSent = (at: number): boolean => !coalesce || leaderOf(plan, at) === at;
  const valid = [...rows.keys()].filter((at) => rows[at]?.valid === true && isSent(at));
  return valid.slice(0, troubles.pilot?.rows ?? 0);
}

/** From a stream of its own as well. With few tokens a minute no such row would ever get through. */
function withCache(plan: Plan): Plan {
  const cache = cachePlanOf(seededRng(`cache|${plan.seed}`));
  if (cache === null || plan.troubles.limits !== null) return plan;
  // Rows that are all the same share all of it: then the mark is elsewhere than the judge expects it.
  const asked = new Set(plan.rows.filter(({ valid }) => valid).map(({ params }) => JSON.stringify(params['messages'])));
  if (asked.size < 2) return plan;
  return { ...plan, cache, rows: withPrefix(plan.rows, plan.seed) };
}

/** From a stream of its own as well. The first row stays: an input needs one that is good. */
function withDuplicates(plan: Plan): Plan {
  const rng = seededRng(`duplicates|${plan.seed}`);
  if (!chance(rng, 0.25)) return plan;
  const share = pick(rng, [0.2, 0.5, 0.9]);
  const rows = plan.rows.map((row, at) => {
    if (at === 0 || !chance(rng, share)) return row;
    const { params, betas, valid } = plan.rows[integerBetween(rng, 0, at - 1)] ?? row;
    return { ...row, params, betas, valid };
  });
  return { ...plan, rows, coalesce: { dedupe: true, reuse: chance(rng, 0.5) } };
}

/** The first row that asks what this one asks. */
export function leaderOf({ rows }: Pick<Plan, 'rows'>, at: number): number {
  const hash = askedBy(rows[at]);
  return rows.findIndex((row) => askedBy(row) === hash);
}

function askedBy(row: InputRow | undefined): string {
  return JSON.stringify([row?.params, row?.betas, row?.valid]);
}

/** What a row may be asked as: with max_tokens as it stands, and with those of its later tries. */
export function variantsOf(plan: Pick<Plan, 'retryTruncated' | 'cache' | 'rows'>, row: InputRow): InputRow['params'][] {
  const params = markedAs(plan, row.params);
  const first = Number(params['max_tokens']);
  return Array.from({ length: plan.retryTruncated + 1 }, (_unused, nth) =>
    nth === 0 ? params : { ...params, max_tokens: first * 2 ** nth },
  );
}

/** The same work with other questions: its batches have the sizes of the first one's. */
export function secondPlan(plan: Plan): Plan {
  const seed = `${plan.seed}, second`;
  const lives = integerBetween(seededRng(`second|lives|${plan.seed}`), 1, 6);
  const rows = plan.rows.map((row, at) => ({ ...row, params: { ...row.params, ...question(seed, at) } }));
  return { ...plan, seed, rows: plan.cache === null ? rows : withPrefix(rows, seed), lives };
}

function question(seed: string | number, at: number): { readonly messages: readonly unknown[] } {
  return { messages: [{ role: 'user', content: `question ${at} of seed ${seed}` }] };
}

function drawn(seed: string | number): Plan {
  const rng = seededRng(`plan|${seed}`);
  const calm = chance(rng, 0.1);
  const cancelRate = chance(rng, 0.12) ? 0.5 : 0;
  const graceMs = integerBetween(rng, 3, 10) * MINUTE_MS;
  const slowest = pick(rng, [2, 5, 12]) * MINUTE_MS;
  return {
    seed: String(seed),
    rows: rowsOf(seed, rng),
    chunkRows: integerBetween(rng, 1, 12),
    maxBatches: integerBetween(rng, 1, 6),
    concurrency: integerBetween(rng, 1, 4),
    maxAttempts: integerBetween(rng, 2, 5),
    retryLane: pick(rng, ['auto', 'auto', 'batch', 'realtime', 'none']),
    retryTruncated: 0,
    schema: null,
    cache: null,
    graceMs,
    // Below the grace: a list that lags longer may make a second batch by design (design, section 3.1 point 5).
    listLagMs: Math.floor(graceMs * rng.next() * 0.9),
    batchDurationMs: [5_000, slowest],
    latencyMs: pick(rng, [
      [0, 0],
      [0, 50],
      [10, 2_000],
      [10, 20_000],
    ] as const),
    messageLatencyMs: pick(rng, [
      [0, 0],
      [300, 1_500],
      [10, 20_000],
    ] as const),
    expiresAfterMs: integerBetween(rng, 15, 40) * MINUTE_MS,
    queueMax: chance(rng, 0.2) ? integerBetween(rng, 14, 40) : 200_000,
    diskMsMax: chance(rng, 0.3) ? pick(rng, [15, 400]) : 0,
    faults: { ...(calm ? {} : faultsOf(rng)), ...(cancelRate > 0 ? CANCEL_FAULTS : {}) },
    rates: ratesOf(rng),
    foreignPerHour: chance(rng, 0.4) ? integerBetween(rng, 1, 20) : 0,
    lives: integerBetween(rng, 1, 9),
    crashRate: pick(rng, [0, 0.5, 0.9]),
    besideRate: pick(rng, [0, 0, 0.3]),
    cancelRate,
    troubles: troublesOf(seed),
    coalesce: null,
  };
}

function rowsOf(seed: string | number, rng: Rng): InputRow[] {
  const count = integerBetween(rng, 1, pick(rng, [6, 40, 40, 120]));
  const betaRate = chance(rng, 0.2) ? 0.4 : 0;
  const invalidRate = chance(rng, 0.15) ? 0.1 : 0;
  const rows: InputRow[] = [];
  for (let at = 0; at < count; at++) {
    // The first row is always good: an input without any is refused, and that is another test.
    const valid = at === 0 || !chance(rng, invalidRate);
    const params = {
      model: 'claude-haiku-5-5',
      max_tokens: chance(rng, 0.1) ? 10_000 : 100,
      ...question(seed, at),
      ...(valid ? {} : { speed: 'fast' }),
    };
    const betas = chance(rng, betaRate) ? [pick(rng, ['beta-a-2026-01-01', 'beta-b-2026-01-01'])] : [];
    rows.push({ customId: chance(rng, 0.9) ? `row-${at}` : undefined, params, betas, valid });
  }
  return rows;
}

function faultsOf(rng: Rng): Partial<Record<FaultName, number>> {
  const faults: Partial<Record<FaultName, number>> = {};
  const on = pick(rng, [0.15, 0.4, 0.7]);
  for (const fault of FAULT_NAMES) {
    if (fault === 'list.404') continue;
    if (!chance(rng, RARE.has(fault) ? on / 3 : on)) continue;
    faults[fault] = RARE.has(fault) ? 0.08 : pick(rng, [0.02, 0.1, 0.3]);
  }
  return faults;
}

function ratesOf(rng: Rng): Partial<SimRates> {
  const errorTypes = pick(rng, [
    { api_error: 0.7, overloaded_error: 0.3 },
    { api_error: 0.5, timeout_error: 0.2, rate_limit_error: 0.1, invalid_request_error: 0.1, request_too_large: 0.1 },
  ]);
  return {
    errorRate: pick(rng, [0, 0.05, 0.3]),
    errorTypes,
    expireRate: pick(rng, [0, 0, 0.1]),
    billingErrorRate: chance(rng, 0.1) ? 0.05 : 0,
    refusalRate: chance(rng, 0.2) ? 0.1 : 0,
    messageErrorRates: pick(rng, [{}, { 429: 0.1 }, { 500: 0.1, 529: 0.2 }]),
  };
}
