/** An outage of the API in words: the same in a log, on a screen, in `status` and in a notice. */
export interface OutageWords {
  /** `silent`: no answer; `errors`: no other answers than errors. */
  readonly kind: 'silent' | 'errors';
  readonly sinceMs: number;
  readonly cause: string;
}

export function outageText({ kind, sinceMs, cause }: OutageWords): string {
  const what = kind === 'errors' ? 'answered with errors' : 'not answered';
  return `the API has ${what} since ${new Date(sinceMs).toISOString()}${cause === '' ? '' : ` (${cause})`}`;
}
