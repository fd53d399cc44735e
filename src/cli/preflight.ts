/**
 * The preflight of `submit` and `run`: what engine/preflight.ts finds is told, and refuses the run where it must fail.
 * `--no-preflight` leaves it out; a dry run sends nothing, and a run that exists was looked at when it was made.
 */
import { BatchrunError } from '../base/errors.ts';
import { formatCount, plural } from '../base/units.ts';
import { modelProblem } from '../domain/preflight.ts';
import type { Engine } from '../engine/engine.ts';
import type { IngestReport } from '../engine/ingest.ts';
import { preflight, type PreflightReport } from '../engine/preflight.ts';
import type { ApiLink, Context } from './context.ts';
import { absoluteInputs } from './prepare.ts';
import { problemsText } from './render/problems-text.ts';
import { preflightText, preflightView, preflightWarnings, type PreflightView } from './render/preflight-text.ts';

export interface PreflightOf {
  readonly engine: Engine;
  readonly link: ApiLink;
  readonly inputs: readonly string[];
}

/** Asks, tells, and gives what `submit --json` shows; null where nothing is to be asked. */
export async function runPreflight(
  context: Context,
  { engine, link, inputs }: PreflightOf,
  ingested: IngestReport,
): Promise<PreflightView | null> {
  const { flags, terminal } = context;
  if (flags.preflight === false || flags.dryRun === true) return null;
  // Of several keys the first that the API takes: what it says of models and rows it says to all.
  const api = link.keys?.find((key) => !key.refused)?.api ?? link.api;
  const { runId, mix } = ingested;
  const report = await preflight(engine, { api, runId, mix, inputs: absoluteInputs(inputs) });
  if (report.stopped?.kind === 'aborted') {
    throw new BatchrunError('E_NOT_FINISHED', 'interrupted before anything was sent', {
      hint: 'Nothing is left behind: submit again.',
    });
  }
  const hopeless = report.models
    .map((model) => modelProblem(model, flags.realtime !== true))
    .filter((text) => text !== null);
  refuse(report, hopeless, flags.onInvalid);
  const warnings = [...preflightWarnings(report), ...hopeless, ...passedOver(report)];
  const rows = ingested.rows - ingested.invalid;
  if (flags.quiet !== true) {
    terminal.talk(preflightText(report, rows));
    for (const warning of warnings) terminal.talk(`warning: ${warning}`);
    if (report.problems.length > 0) terminal.talk(problemsText(report.problems, report.refusedRows));
  }
  return preflightView(report, warnings);
}

const SKIPPED_HINT =
  'Mend the rows, or leave the asking out with --no-preflight: what is refused then comes back as failed rows.';

/** With `skip` what is refused stops nothing as long as something is left that may succeed. */
function refuse(report: PreflightReport, hopeless: readonly string[], onInvalid: 'fail' | 'skip'): void {
  const { models, refusedRows, askedRows, problems } = report;
  const none = hopeless.length === models.length && models.length > 0;
  if (hopeless.length > 0 && (onInvalid === 'fail' || none)) {
    throw new BatchrunError('E_PREFLIGHT', `${hopeless.join('; ')}; nothing was sent and no run was made`, {
      hint: 'Choose another model. If the API is wrong about it, add --no-preflight.',
    });
  }
  if (refusedRows === 0 || (onInvalid === 'skip' && refusedRows < askedRows)) return;
  const asked =
    refusedRows === askedRows && askedRows > 1
      ? `all ${formatCount(askedRows)} rows`
      : `${formatCount(refusedRows)} of ${plural(askedRows, 'row')}`;
  const verb = refusedRows === 1 ? 'is' : 'are';
  throw new BatchrunError(
    'E_PREFLIGHT',
    `${asked} of the sample that the API was asked about ${verb} refused; nothing was sent and no run was made`,
    {
      details: { problems, count: refusedRows },
      hint:
        onInvalid === 'skip'
          ? SKIPPED_HINT
          : `${SKIPPED_HINT} With --on-invalid skip it refuses only where all of the sample are refused.`,
    },
  );
}

/** Rows that `--on-invalid skip` goes on with. */
function passedOver({ refusedRows, askedRows }: PreflightReport): readonly string[] {
  if (refusedRows === 0) return [];
  const of = `${formatCount(refusedRows)} of ${plural(askedRows, 'row')} of the sample`;
  return [`${of} would be refused: they come back as failed rows`];
}
