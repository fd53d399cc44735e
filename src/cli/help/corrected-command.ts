/**
 * Corrected commands: what the user typed, with what was missing, ready to be pasted.
 */
import { shellQuote } from '../../base/shell.ts';
import { withoutSecretWords } from './typed-secrets.ts';

/** `batchrun submit …` as typed, with more flags at its end. */
export function correctedCommand(argv: readonly string[], more: readonly string[]): string {
  return ['batchrun', ...withoutSecretWords(argv), ...more].map(shellQuote).join(' ');
}
