/** Completions for zsh: as a file in a folder of $fpath, or read with `source`. */
import { ASK_RUNS, type CommandShape, type FlagShape, type Values } from './shape.ts';

export function zshCompletions(commands: readonly CommandShape[]): string {
  return `#compdef batchrun
# Completions of batchrun for zsh: batchrun completions zsh
_batchrun_runs() {
  local -a runs state
  # _arguments puts a backslash before each backslash and colon of a word.
  local folder=\${\${opt_args[--state]//\\\\\\\\/\\\\}//\\\\:/:}
  [[ -n $folder ]] && state=(--state \${\${(Q)folder}/#\\~\\//$HOME/})
  runs=(\${(f)"$(${ASK_RUNS} $state 2>/dev/null)"})
  compadd -V runs -a runs
}

_batchrun() {
  local curcontext=$curcontext context state line
  typeset -A opt_args
  _arguments -C '(- *)'{-h,--help}'[show this help]' '(- *)'{-V,--version}'[print the version]' '1: :->command' '*:: :->words'
  case $state in
    command)
      local -a commands=(
${commands.map(({ name, text }) => `        ${quoted(`${name}:${text.replaceAll(':', '\\:')}`)}`).join('\n')}
      )
      _describe -t commands command commands
      ;;
    words)
      case $words[1] in
${commands.map(commandCase).join('\n')}
      esac
      ;;
  esac
}

if [ "$funcstack[1]" = _batchrun ]; then
  _batchrun "$@"
else
  compdef _batchrun batchrun
fi
`;
}

function commandCase({ name, flags, words }: CommandShape): string {
  const specs = [
    ...flags.map(flagSpec),
    ...words.map(({ name: word, many, values }, at) => quoted(`${many ? '*' : at + 1}:${word}:${filled(values)}`)),
  ];
  return `        ${name})\n          _arguments -s -S ${specs.join(' ')}\n          ;;`;
}

function flagSpec({ long, short, text, values }: FlagShape): string {
  const behind = `[${text.replaceAll(/[[\]:]/g, (sign) => `\\${sign}`)}]${values.kind === 'none' ? '' : `:value:${filled(values)}`}`;
  // --flag=value, as well as --flag value.
  const takes = values.kind === 'none' ? '' : '=';
  if (short === undefined) return quoted(`${long}${takes}${behind}`);
  return `'(${short} ${long})'{${short}${values.kind === 'none' ? '' : '+'},${long}${takes}}${quoted(behind)}`;
}

function filled(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `(${values.words.join(' ')})`;
    case 'file':
      return '_files';
    case 'folder':
      return '_files -/';
    case 'run':
      return '_batchrun_runs';
    case 'any':
    case 'none':
      return ' ';
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
