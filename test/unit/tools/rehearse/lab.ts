/**
 * A rehearsal without the program around it: rows from values, the adapters in memory.
 */
import { createRehearsalParts } from '../../../../src/adapters/rehearsal.ts';
import type { NewRun } from '../../../../src/domain/store-steps.ts';
import { prepareRows, type PreparedRows } from '../../../../src/domain/row/prepare-rows.ts';
import { createRowReader } from '../../../../src/domain/row/reader.ts';
import type { KnownAccount } from '../../../../src/tools/rehearse/account.ts';
import { rehearse, type Rehearsal, type RehearsalRequest } from '../../../../src/tools/rehearse/rehearse.ts';

export const MODEL = 'claude-haiku-5-5';
export const START_MS = Date.UTC(2026, 10, 20);
export const MINUTE_MS = 60_000;

export interface RowOf {
  readonly custom_id?: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly [column: string]: unknown;
}

export function paramsOf(
  text: string,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return { model: MODEL, max_tokens: 100, messages: [{ role: 'user', content: text }], ...more };
}

/** `count` rows of about so many bytes of text. */
export function rowsOf(count: number, bytes = 80): RowOf[] {
  return Array.from({ length: count }, (_, at) => ({
    custom_id: `row-${at}`,
    params: paramsOf(`question ${at} ${'x'.repeat(bytes)}`),
  }));
}

export function prepared(rows: readonly RowOf[]): PreparedRows {
  const reader = createRowReader({ nowMs: START_MS, modelRules: false });
  return prepareRows({
    source: {
      columns: [],
      // The port is asynchronous; the rows are here.

      async *records() {
        yield rows.map((value, at) => ({ file: 0, line: at + 1, value }));
      },
      progress: () => ({ readBytes: 0, totalBytes: null }),
    },
    read: (record) => reader.read(record),
    inputCount: 1,
    limit: null,
  });
}

export const NOTHING_KNOWN: KnownAccount = {
  ...{ pools: [], admin: null, tier: null, history: [], usage: [] },
  ...{ outputTokens: null, batchDurationMs: null, messageLatencyMs: null },
};

type Settings = Partial<NewRun['settings']>;

export interface Wanted extends Partial<Omit<RehearsalRequest, 'rows' | 'settings' | 'known'>> {
  readonly settings?: Settings;
  readonly known?: Partial<KnownAccount>;
}

export function rehearseRows(rows: readonly RowOf[], wanted: Wanted = {}): Promise<Rehearsal> {
  const { settings, known, ...rest } = wanted;
  return rehearse(createRehearsalParts(), {
    rows: prepared(rows),
    inputs: ['/in/rows.jsonl'],
    settings: {
      ...{ chunkRows: 100, chunkBytes: 200_000_000, maxAttempts: 4, retryLane: 'auto', failIf: null },
      ...{ defuseFormulas: false, columns: [], ...settings },
    },
    onInvalid: 'fail',
    known: { ...NOTHING_KNOWN, ...known },
    faults: 'light',
    pacing: { maxBatches: 100, concurrency: 4, pollIntervalMs: 30_000, reconcileGraceMs: 600_000, giveUpMs: 3_600_000 },
    seed: 1,
    nights: 1,
    startMs: START_MS,
    deadlineAfterMs: null,
    signal: new AbortController().signal,
    emit: () => undefined,
    onStep: () => undefined,
    ...rest,
  });
}
