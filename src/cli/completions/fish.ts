/** Completions for fish, from 3.1 on. */
import { ASK_RUNS, type CommandShape, type FlagShape, type Values } from './shape.ts';

export function fishCompletions(commands: readonly CommandShape[]): string {
  return `# Completions of batchrun for fish: batchrun completions fish
function __batchrun_is
    set -l words (commandline -opc)
    test (count $words) -gt 1; and contains -- $words[2] $argv
end

function __batchrun_begins
    set -l words (commandline -opc)
    test (count $words) -eq 1
end

function __batchrun_runs
    set -l words (commandline -opc)
    set -l state
    if set -l at (contains -i -- --state $words)
        set state --state (string replace -r -- '^~(?=/|$)' $HOME $words[(math $at + 1)])
    else if set -l word (string match -- '--state=*' $words)
        set state --state (string replace -- --state= '' $word[-1])
    end
    ${ASK_RUNS} $state 2>/dev/null
end

complete -c batchrun -f
complete -c batchrun -n __batchrun_begins -s h -l help -d 'show this help'
complete -c batchrun -n __batchrun_begins -s V -l version -d 'print the version'
${commands.map(({ name, text }) => `complete -c batchrun -n __batchrun_begins -a ${name} -d ${quoted(text)}`).join('\n')}
${commands.flatMap(wordLines).join('\n')}
${flagLines(commands).join('\n')}
`;
}

function wordLines({ name, words }: CommandShape): string[] {
  const kinds = [...new Set(words.map(({ values }) => filled(values)))].filter((one) => one !== '');
  return kinds.map((fill) => `complete -c batchrun -n '__batchrun_is ${name}' ${fill}`);
}

/** A flag that means the same in several commands is one line. */
function flagLines(commands: readonly CommandShape[]): string[] {
  const shared = new Map<string, string[]>();
  for (const { name, flags } of commands) {
    for (const flag of flags) {
      const line = flagText(flag);
      shared.set(line, [...(shared.get(line) ?? []), name]);
    }
  }
  return [...shared].map(([line, names]) => `complete -c batchrun -n '__batchrun_is ${names.join(' ')}' ${line}`);
}

function flagText({ long, short, text, values }: FlagShape): string {
  const names = `${short === undefined ? '' : `-s ${short.slice(1)} `}-l ${long.slice(2)}`;
  const fill = values.kind === 'none' ? '' : values.kind === 'any' ? '-x ' : `-r ${filled(values)} `;
  return `${names} ${fill}-d ${quoted(text)}`;
}

function filled(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `-f -a ${quoted(values.words.join(' '))}`;
    case 'file':
      return '-F';
    case 'folder':
      return "-f -a '(__fish_complete_directories)'";
    case 'run':
      return "-f -a '(__batchrun_runs)'";
    case 'any':
    case 'none':
      return '';
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
