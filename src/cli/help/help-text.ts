/**
 * What help shows below commands and flags: examples, exit codes, and where else values come from. The manual page has the
 * same from here.
 */
import { EXAMPLES, EXITS, type Example } from './examples.ts';

export const EXIT_CODES: readonly (readonly [code: string, text: string])[] = [
  ['0', 'complete, every row succeeded (or within --fail-if); submit: accepted; nothing to do'],
  ['1', 'a bug or an unexpected failure; the state is kept'],
  ['2', 'usage, configuration or input refused; nothing was sent'],
  ['3', 'complete, but rows did not succeed; audit: something is off; loadtest: a threshold of --fail-if is passed'],
  ['4', 'not finished yet (--once, --max-wait, API unreachable)'],
  ['5', 'blocked: a person must act; the message says how'],
  ['6', 'another process drives this state'],
  ['129, 130, 143', 'interrupted (SIGHUP, Ctrl-C, SIGTERM); the state is kept'],
];

export const FIRST_EXAMPLES: readonly Example[] = [
  ["batchrun submit questions.csv --model claude-haiku-5-5 --max-tokens 256 --prompt 'Classify: {{text}}'", ''],
  ['batchrun status --watch', ''],
  ['batchrun collect', ''],
  ["batchrun run nightly.jsonl -o 'results-{date}.jsonl' --quiet", 'cron'],
];

export const SOURCES: readonly string[] = [
  'Every flag can also be set as BATCHRUN_<FLAG> in the environment, or in batchrun.config.yaml or .json (batchrun init writes one, batchrun config shows what counts).',
  'The API key comes from ANTHROPIC_API_KEY, as everywhere.',
];

export function programHelp(columns: number): string {
  const codes = EXIT_CODES.map(([code, text]) => hung(`  ${code}  `, text, columns));
  const help = 'batchrun help <command> has the flags, examples and exit codes of a command.';
  return [
    '',
    'Examples:',
    ...FIRST_EXAMPLES.map(exampleText),
    '',
    'Exit codes:',
    ...codes,
    '',
    ...[...SOURCES, help].map((text) => hung('', text, columns)),
  ].join('\n');
}

export function commandHelp(name: string, columns: number): string {
  const examples = EXAMPLES[name] ?? [];
  const exits = EXITS[name];
  const parts = [
    ...(examples.length === 0 ? [] : ['', 'Examples:', ...examples.map(exampleText)]),
    ...(exits === undefined ? [] : ['', hung('Exit codes: ', exits, columns)]),
  ];
  return parts.join('\n');
}

/** A comment behind it, so that the line works as it stands when it is pasted. */
function exampleText([command, note]: Example): string {
  return `  $ ${command}${note === '' ? '' : `  # ${note}`}`;
}

/** Broken between words, its further lines below the first one. */
function hung(head: string, text: string, columns: number): string {
  const lines: string[] = [];
  let line = head;
  const indent = ' '.repeat(head.length);
  for (const word of text.split(' ')) {
    const isFirst = line === head || line === indent;
    if (!isFirst && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = indent + word;
    } else line += isFirst ? word : ` ${word}`;
  }
  return [...lines, line].join('\n');
}
