/**
 * Completions for bash, from 3.2 (that of macOS) on; bash-completion is not needed. What comes from outside, such as the
 * names of runs, is never expanded: a name is a word, not a command.
 */
import { ASK_RUNS, type CommandShape, type Values } from './shape.ts';

const RUNS = `# A typed word as the shell would pass it: without its quotes, at home for ~, and nothing in it is run.
_batchrun_plain() {
  plain=$1
  case $plain in
    \\"*) plain=\${plain#?} plain=\${plain%\\"} ;;
    \\'*) plain=\${plain#?} plain=\${plain%\\'} ;;
    \\~ | \\~/*) plain=$HOME\${plain#?} plain=\${plain//\\\\/} ;;
    *) plain=\${plain//\\\\/} ;;
  esac
}

_batchrun_runs() {
  local run state=() at plain
  for ((at = 1; at < COMP_CWORD; at++)); do
    if [ "\${COMP_WORDS[at]}" = --state ]; then
      _batchrun_plain "\${COMP_WORDS[at + 1]}"
      [ "$plain" = = ] && _batchrun_plain "\${COMP_WORDS[at + 2]}"
      state=(--state "$plain")
    fi
  done
  while IFS= read -r run; do
    case $run in "$cur"*) COMPREPLY+=("$run") ;; esac
  done < <(${ASK_RUNS} \${state[@]+"\${state[@]}"} 2>/dev/null)
}`;

export function bashCompletions(commands: readonly CommandShape[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  return `# Completions of batchrun for bash: batchrun completions bash
_batchrun_words() {
  local word
  for word in $1; do
    case $word in "$cur"*) COMPREPLY+=("$word") ;; esac
  done
}

_batchrun_files() {
  local name
  compopt -o filenames 2>/dev/null
  while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen "$1" -- "$cur")
}

${RUNS}

_batchrun() {
  local cur=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command=\${COMP_WORDS[1]}
  COMPREPLY=()
  # --flag=value comes as three words.
  if [ "$cur" = = ]; then
    cur=
  elif [ "$before" = = ]; then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    _batchrun_words '${names} --help --version'
    return
  fi
  case $command:$before in
${valueCases(commands)}
  esac
  case $cur in
    -*)
      case $command in
${commands.map(flagCase).join('\n')}
      esac
      return
      ;;
  esac
  case $command in
${commands.flatMap(wordCase).join('\n')}
  esac
}

complete -F _batchrun batchrun
`;
}

/** Flags with the same values in every command are one case; those that differ name the command. */
function valueCases(commands: readonly CommandShape[]): string {
  const cases = new Map<string, string[]>();
  const kinds = new Map<string, Set<string>>();
  for (const { flags } of commands) {
    for (const { long, values } of flags) {
      kinds.set(long, (kinds.get(long) ?? new Set()).add(fill(values)));
    }
  }
  for (const { name, flags } of commands) {
    for (const { long, short, values } of flags) {
      if (values.kind === 'none') continue;
      const who = (kinds.get(long)?.size ?? 0) > 1 ? name : '*';
      const patterns = [long, ...(short === undefined ? [] : [short])].map((flag) => `${who}:${flag}`);
      const list = cases.get(fill(values)) ?? [];
      cases.set(fill(values), [...list, ...patterns.filter((one) => !list.includes(one))]);
    }
  }
  return [...cases].map(([action, patterns]) => `    ${patterns.join(' | ')}) ${action} return ;;`).join('\n');
}

function flagCase({ name, flags }: CommandShape): string {
  const words = flags.flatMap(({ long, short }) => [long, ...(short === undefined ? [] : [short])]);
  return `        ${name}) _batchrun_words '${words.join(' ')}' ;;`;
}

/** Of a command with several words of its own kinds, the first that is typed may be any of them. */
function wordCase({ name, words }: CommandShape): string[] {
  const actions = [...new Set(words.map(({ values }) => fill(values)))].filter((action) => action !== '');
  return actions.length === 0 ? [] : [`    ${name}) ${actions.join(' ')} ;;`];
}

function fill(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `_batchrun_words '${values.words.join(' ')}';`;
    case 'file':
      return '_batchrun_files -f;';
    case 'folder':
      return '_batchrun_files -d;';
    case 'run':
      return '_batchrun_runs;';
    case 'any':
    case 'none':
      return '';
  }
}
