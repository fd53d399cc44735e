/**
 * Error types of our own, for rows that did not succeed without an answer of the API: they stand in the output in the
 * API's shape, so that every line can be read alike. All begin with `batchrun_`.
 */
import { deviationOf, deviationText } from './schema-error.ts';

const TEXTS: Readonly<Record<string, string>> = {
  batchrun_canceled: 'the run was canceled before this row was sent',
  batchrun_truncated: 'its answer was cut by max_tokens and is asked for again with more',
  batchrun_results_lost: 'the results of its batch can no longer be fetched (they are kept for 29 days)',
};

/** What to say about a row of this error type where the API has said nothing. */
export function describeLocalError(errorType: string): string {
  const deviation = deviationOf(errorType);
  if (deviation) return `the answer does not follow the schema: ${deviationText(deviation)}`;
  const refused = /^batchrun_refused_(.+)$/.exec(errorType)?.[1];
  if (refused !== undefined) return `the API refused a batch with this row: ${refused}`;
  return TEXTS[errorType] ?? errorType;
}
