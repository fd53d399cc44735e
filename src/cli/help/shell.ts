/**
 * Corrected commands: what the user typed, with what was missing, ready to be pasted.
 */
import { withoutSecretWords } from './typed-secrets.ts';

/** A word as a shell takes it. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** `batchrun submit …` as typed, with more flags at its end. */
export function correctedCommand(argv: readonly string[], more: readonly string[]): string {
  return ['batchrun', ...withoutSecretWords(argv), ...more].map(shellQuote).join(' ');
}
