/**
 * Words as shells take them: for commands that are shown to be pasted.
 */

/** A word as a shell takes it. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
