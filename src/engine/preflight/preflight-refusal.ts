/**
 * What a preflight comes to: is there a reason to send nothing at all?
 */
import { BatchrunError } from '../../base/errors.ts';
import { formatCount, plural } from '../../base/units.ts';
import { modelProblem } from '../../domain/preflight.ts';
import type { PreflightReport } from './preflight.ts';

/** Models that will not answer, in words. Throws E_NOT_FINISHED where it was interrupted. */
export function hopelessModels(report: PreflightReport, isBatch: boolean): readonly string[] {
  if (report.stopped?.kind === 'aborted') {
    throw new BatchrunError('E_NOT_FINISHED', 'interrupted before anything was sent', {
      hint: 'Nothing is left behind: submit again.',
    });
  }
  return report.models.map((model) => modelProblem(model, isBatch)).filter((text) => text !== null);
}

const SKIPPED_HINT =
  'Mend the rows, or leave the asking out with --no-preflight: what is refused then comes back as failed rows.';

/** Throws E_PREFLIGHT. With `skip` what is refused stops nothing as long as something is left that may succeed. */
export function refuseHopeless(report: PreflightReport, hopeless: readonly string[], onInvalid: 'fail' | 'skip'): void {
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
export function passedOver({ refusedRows, askedRows }: PreflightReport): readonly string[] {
  if (refusedRows === 0) return [];
  const of = `${formatCount(refusedRows)} of ${plural(askedRows, 'row')} of the sample`;
  return [`${of} would be refused: they come back as failed rows`];
}
