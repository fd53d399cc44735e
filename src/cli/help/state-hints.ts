/**
 * Commands that a message tells the user to type, completed with the --state that this one was given: without it they
 * would look into another folder, find nothing there and end with 0, as if all were well.
 */
import { shellQuote } from '../../base/shell.ts';

/** Commands that have a state to look at. */
const COMMAND =
  '(?:adopt|audit|cancel|collect|export|list|log|prune|report|resolve|results|retry|run|status|submit)\\b';
const QUOTED = new RegExp(`\`((?:ANTHROPIC_BASE_URL=\\S+ )?batchrun ${COMMAND}[^\`\\n]*)\``, 'g');
/** What stands before a command that ends a line: these words, or only blanks in a list of cancels. */
const BEFORE_AT_LINE_END = [
  '^Now: ',
  '^Go on with: ',
  '^Start with: ',
  '^To stop (?:it|them): ',
  'To bring (?:it to its|them to their) end: ',
  '^ +(?=batchrun cancel )',
  '^ +… and \\d+ more: ',
];
const AT_LINE_END = new RegExp(`((?:${BEFORE_AT_LINE_END.join('|')})batchrun ${COMMAND}[^\`\\n]*)$`, 'gm');

export function withState(text: string, state: string): string {
  if (state === '.batchrun' || !text.includes('batchrun ')) return text;
  const complete = (command: string): string =>
    command.includes('--state') ? command : `${command} --state ${shellQuote(state)}`;
  return text
    .replace(QUOTED, (_all, command: string) => `\`${complete(command)}\``)
    .replace(AT_LINE_END, (_all, command: string) => complete(command));
}
