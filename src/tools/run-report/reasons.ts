/**
 * What the kinds of failures mean, in words that finish "because …", and what helps.
 */
import { HOPELESS } from '../../domain/failure-router.ts';

interface Reason {
  readonly because: string;
  readonly helps: string;
}

const AGAIN = '`batchrun retry` sends these rows again.';

const REASONS: Readonly<Record<string, Reason>> = {
  invalid_request_error: {
    because: 'the API refused it as invalid',
    helps: 'The same request cannot succeed: mend the rows and submit them again.',
  },
  request_too_large: {
    because: 'the request was too large',
    helps: 'The same request cannot succeed: make the rows shorter and submit them again.',
  },
  not_found_error: {
    because: 'what it names was not found, usually the model',
    helps: 'Check the model of these rows, and submit them again.',
  },
  expired: { because: 'its batch did not get to it within 24 hours', helps: AGAIN },
  overloaded_error: { because: 'the API was overloaded', helps: AGAIN },
  api_error: { because: 'the API failed', helps: AGAIN },
  timeout_error: { because: 'the API took too long', helps: AGAIN },
  rate_limit_error: { because: 'the limits of the account were reached', helps: AGAIN },
  canceled: { because: 'its batch was canceled', helps: AGAIN },
  batchrun_canceled: { because: 'the run was canceled before it was sent', helps: AGAIN },
  batchrun_results_lost: {
    because: 'its results were not collected while the API kept them (29 days)',
    helps: '`batchrun retry` sends these rows again, and pays for them again.',
  },
  batchrun_schema: {
    because: 'its answer does not follow the schema',
    helps: 'The answers are in the results all the same. `--on-schema-error retry` asks again.',
  },
  batchrun_truncated: {
    because: 'its answer was cut by max_tokens',
    helps: 'Give more with --max-tokens, or let it be asked again with --retry-truncated.',
  },
};

export function reasonText(kind: string): string {
  const refused = /^batchrun_refused_(.+)$/.exec(kind)?.[1];
  if (refused !== undefined) return `the API refused a batch with it (${refused})`;
  return Object.hasOwn(REASONS, kind) ? (REASONS[kind]?.because ?? kind) : `of ${kind}`;
}

export function reasonHelp(kind: string): string | null {
  return Object.hasOwn(REASONS, kind) ? (REASONS[kind]?.helps ?? null) : null;
}

/** The same request cannot succeed: to send it again is for nothing. */
export function isHopeless(kind: string): boolean {
  return HOPELESS.has(kind.replace(/^batchrun_refused_/, ''));
}
