/**
 * The sample as the API counts it (count_tokens, free), for each model that is compared: tokenizers differ, and so does
 * what a model takes. What cannot be asked is estimated.
 */
import { replacedModel } from './replaced-model.ts';
import { REALTIME_BYTES_MAX } from '../../domain/limits.ts';
import type { AskStop } from '../../engine/preflight/asking.ts';
import { countSample, type CountPorts } from '../../engine/preflight/token-count.ts';
import type { LookedRow, SampleLook } from './look.ts';

export interface ModelCount {
  /** Tokens by the row's number. */
  readonly tokens: ReadonlyMap<number, number>;
  /** Rows of the sample that the model refuses for what they are. */
  readonly refused: number;
  /** What it says of the first of them; the API's words, which may quote the request, are not kept. */
  readonly refusal: string | null;
}

export interface Counts {
  readonly byModel: ReadonlyMap<string, ModelCount>;
  /** Why not everything was counted; null where everything was. */
  readonly stopped: AskStop | null;
}

export const NO_COUNTS: Counts = { byModel: new Map(), stopped: null };

/** Rows for a model that is only compared; those of the rows' own models are all counted. */
const COMPARED_ROWS = 20;
/** For all models together: a plan is waited for. */
const COUNT_MS_MAX = 45_000;

/** The rows' own models first: where the time runs out, they are what matters most. */
export async function countModels(ports: CountPorts, look: SampleLook, models: readonly string[]): Promise<Counts> {
  const byModel = new Map<string, ModelCount>();
  const own = new Set(look.rows.map(({ model }) => model));
  const untilMs = ports.clock.monotonicMs() + COUNT_MS_MAX;
  for (const model of [...models].sort((one, other) => Number(own.has(other)) - Number(own.has(one)))) {
    const rows = rowsToCount(look.rows, own.has(model) ? Infinity : COMPARED_ROWS);
    const maxMs = Math.max(1, untilMs - ports.clock.monotonicMs());
    const counted = await countSample(ports, asRowsOf(rows, model), { maxMs });
    const first = counted.refused[0];
    byModel.set(model, {
      tokens: new Map(counted.counted.map(({ seq, tokens }) => [seq, tokens])),
      refused: counted.refused.length,
      refusal: first ? `${first.failure.status ?? ''} ${first.failure.type ?? ''}`.trim() : null,
    });
    if (counted.stopped !== null) return { byModel, stopped: counted.stopped };
  }
  return { byModel, stopped: null };
}

function rowsToCount(rows: readonly LookedRow[], most: number): LookedRow[] {
  const whole = rows.filter((row) => row.paramsJson !== null && row.bytes <= REALTIME_BYTES_MAX);
  const step = Math.max(1, whole.filter(({ isLongest }) => !isLongest).length / most);
  let nth = 0;
  return whole.filter((row) => row.isLongest || Math.floor(nth++ % step) === 0);
}

function asRowsOf(rows: readonly LookedRow[], model: string): Parameters<typeof countSample>[1] {
  return rows.map((row) => ({ ...row, model, paramsJson: replacedModel(row.paramsJson ?? '{}', row.model, model) }));
}
