/**
 * What makes the same rows cheaper, measured: each saving is the run of an input with some flags more, and its bill beside
 * that of the plain run in the same lane. A saving that this build does not know yet is told, not left out.
 */

/** `input`: the cases that it is for; `args`: what is added to the command. */
export const SAVINGS = [
  { name: 'batch lane against realtime', cases: ['BANKING77', 'prefix'], args: ['--realtime'], against: 'realtime' },
  { name: '--cache auto', cases: ['prefix'], args: ['--cache', 'auto'], against: 'batch' },
  { name: '--dedupe', cases: ['BANKING77', 'prefix'], args: ['--dedupe'], against: 'batch' },
];

/** `$12.50 against $25.00: saves 50 %`. */
export function savedText(usd, plainUsd) {
  if (usd === null) return 'not in this build';
  const share = Math.max(0, (1 - usd / plainUsd) * 100).toFixed(1);
  return `$${usd.toFixed(4)} against $${plainUsd.toFixed(4)}: saves ${share} %`;
}
