/**
 * Everything that the report on a run says, gathered from one instant of the ledger and the files beside it. Counters are
 * kept by the ledger, so the size of the run matters little: read one by one are only events, batches and rows that did
 * not succeed.
 */
import { redact } from '../../base/log.ts';
import type { Ledger } from '../../domain/ledger.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { Files } from '../../domain/ports.ts';
import { viewRun, type RunView } from '../../engine/views/status.ts';
import { lookAtBatches, type BatchLook } from './batch-spans.ts';
import { failureExamples, stopExamples, type Examples, type ExampleScope } from './examples.ts';
import { moneyOf, type Money } from './money.ts';
import { skippedExamples, type SkippedExample } from './skipped.ts';
import { spareBatches } from './spare-batches.ts';
import { TimelineBuilder, type Timeline } from './timeline.ts';

export interface RunReport {
  readonly run: RunRecord;
  readonly view: RunView;
  /** When the ledger was looked at. */
  readonly nowMs: number;
  readonly timeline: Timeline;
  readonly batches: BatchLook;
  readonly money: Money;
  readonly failures: Examples;
  readonly stops: Examples;
  readonly skipped: readonly SkippedExample[];
  readonly texts: boolean;
}

export interface ReportRequest {
  /** A snapshot: what it counts agrees. */
  readonly ledger: Ledger;
  readonly files: Files;
  readonly run: RunRecord;
  readonly nowMs: number;
  /** With prompts and answers. */
  readonly texts: boolean;
}

const PAGE_EVENTS = 2_000;

export async function gatherReport({ ledger, files, run, nowMs, texts }: ReportRequest): Promise<RunReport> {
  const view = completed(await viewRun(ledger, run), run);
  const usage = await ledger.usage(run.id);
  const batches = await ledger.batches(run.id);
  const spare = await spareBatches(ledger, run.id, { batches, usage });
  const scope: ExampleScope = { ledger, files, runId: run.id, texts };
  const kinds = Object.keys(view.failures);
  return {
    ...{ run, view, nowMs, texts },
    timeline: await timelineOf(ledger, run, nowMs),
    batches: lookAtBatches(batches),
    money: moneyOf(run, usage, { view, spare }),
    failures: kinds.length === 0 ? {} : await failureExamples(scope, kinds),
    stops: await stopExamples(scope, Object.keys(run.stopReasons)),
    skipped: run.rows.invalid === 0 ? [] : await skippedExamples(files, run.id),
  };
}

async function timelineOf(ledger: Pick<Ledger, 'events'>, run: RunRecord, nowMs: number): Promise<Timeline> {
  const builder = new TimelineBuilder(run.createdAtMs, run.doneAtMs ?? nowMs);
  for (let afterId = 0; ;) {
    const page = await ledger.events(run.id, { afterId, limit: PAGE_EVENTS });
    for (const event of page) builder.add(event);
    if (page.length < PAGE_EVENTS) return builder.end(run);
    afterId = page.at(-1)?.id ?? Infinity;
  }
}

/**
 * Rows of chunks that were canceled before they were sent have no records: they are counted here. And what the API said
 * of a block may name a key.
 */
function completed(view: RunView, { rows }: RunRecord): RunView {
  const blocked = view.blocked.map((block) => {
    return { ...block, message: redact(block.message), hint: redact(block.hint) };
  });
  const recorded = Object.values(view.failures).reduce((sum, count) => sum + count, 0);
  const unsent = rows.failed + rows.expired + rows.canceled - recorded;
  if (unsent <= 0) return { ...view, blocked };
  const canceled = (view.failures[UNSENT] ?? 0) + unsent;
  return { ...view, blocked, failures: { ...view.failures, [UNSENT]: canceled } };
}

const UNSENT = 'batchrun_canceled';
