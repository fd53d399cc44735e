/**
 * `batchrun completions`: what a shell needs to complete commands, flags, their values and the runs of a state folder,
 * made from the program's own tables; and the command behind it that gives the runs, quickly and in silence.
 */
import type { Command } from 'commander';
import { BatchrunError } from '../base/errors.ts';
import { hasState, openReading, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { SHELLS, shapeOf } from './completions/shape.ts';

export async function runCompletions(context: Context, shell: string, program: Command | null): Promise<number> {
  const commands = program ? shapeOf(program) : [];
  switch (shell) {
    case 'bash':
      await context.terminal.data((await import('./completions/bash.ts')).bashCompletions(commands));
      return EXIT.ok;
    case 'zsh':
      await context.terminal.data((await import('./completions/zsh.ts')).zshCompletions(commands));
      return EXIT.ok;
    case 'fish':
      await context.terminal.data((await import('./completions/fish.ts')).fishCompletions(commands));
      return EXIT.ok;
    default:
      throw new BatchrunError('E_USAGE', `there are no completions for "${shell}"`, {
        hint: `Shells with completions: ${SHELLS.join(', ')}. \`batchrun completions --help\` says where they go.`,
      });
  }
}

/** So many of the newest runs are worth choosing from. */
const RUNS_MAX = 50;
/** Names with other signs would have to be quoted, in each shell in its own way; their runs are found by their ids. */
const PLAIN_NAME = /^[\w.-]+$/;

/** `batchrun complete runs`: what a [run] may be, one a line, the newest first. Whatever goes wrong, a shell is told nothing. */
export async function runComplete({ terminal, stateFolder }: Context, what: string): Promise<number> {
  if (what !== 'runs') return EXIT.ok;
  try {
    if (!hasState(stateFolder)) return EXIT.ok;
    const store = await openReading(stateFolder);
    try {
      const runs = (await store.runs()).slice(-RUNS_MAX).reverse();
      const names = runs.flatMap(({ name }) => (name !== null && PLAIN_NAME.test(name) ? [name] : []));
      const words = runs.length === 0 ? [] : ['latest', ...new Set(names), ...runs.map(({ id }) => id)];
      await terminal.data(words.map((word) => `${word}\n`).join(''));
    } finally {
      await store.close();
    }
  } catch {
    // In the middle of a line that somebody types there is no place for it; the command itself will say it.
  }
  return EXIT.ok;
}
