/**
 * The preflight of `submit` and `run`: what engine/preflight/preflight.ts finds is told, and refuses the run where it must fail.
 * `--no-preflight` leaves it out; a dry run sends nothing, and a run that exists was looked at when it was made.
 */
import { raisedByCounts } from '../../domain/input-raise.ts';
import type { ModelMix } from '../../domain/model.ts';
import type { Engine } from '../../engine/engine.ts';
import type { IngestReport } from '../../engine/ingest/ingest.ts';
import { preflight } from '../../engine/preflight/preflight.ts';
import { hopelessModels, passedOver, refuseHopeless } from '../../engine/preflight/preflight-refusal.ts';
import type { ApiLink, Context } from '../context.ts';
import { absoluteInputs } from './prepare.ts';
import { problemsText } from '../render/problems-text.ts';
import { preflightText, preflightView, preflightWarnings, type PreflightView } from '../render/preflight-text.ts';

export interface PreflightOf {
  readonly engine: Engine;
  readonly link: ApiLink;
  readonly inputs: readonly string[];
}

export interface PreflightEnd {
  /** What `submit --json` shows. */
  readonly view: PreflightView;
  /** Of the run, raised where rows have more tokens than was reckoned with. */
  readonly mix: ModelMix;
}

/** Asks and tells; null where nothing is to be asked. */
export async function runPreflight(
  context: Context,
  { engine, link, inputs }: PreflightOf,
  ingested: IngestReport,
): Promise<PreflightEnd | null> {
  const { flags, terminal } = context;
  if (flags.preflight === false || flags.dryRun === true) return null;
  // Of several keys the first that the API takes: what it says of models and rows it says to all.
  const api = link.keys?.find((key) => !key.refused)?.api ?? link.api;
  const { runId, mix } = ingested;
  const report = await preflight(engine, { api, runId, mix, inputs: absoluteInputs(inputs) });
  const hopeless = hopelessModels(report, flags.realtime !== true);
  refuseHopeless(report, hopeless, flags.onInvalid);
  const warnings = [...preflightWarnings(report), ...hopeless, ...passedOver(report)];
  const rows = ingested.rows - ingested.invalid;
  if (flags.quiet !== true) {
    terminal.talk(preflightText(report, rows));
    for (const warning of warnings) terminal.talk(`warning: ${warning}`);
    if (report.problems.length > 0) terminal.talk(problemsText(report.problems, report.refusedRows));
  }
  return { view: preflightView(report, warnings), mix: raisedByCounts(mix, report.counted) };
}
