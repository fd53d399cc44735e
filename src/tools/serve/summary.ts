/**
 * A run as the page shows it: the view of `--json` without its long lists, so that an update of a run with hundreds of
 * batches stays a few kilobytes.
 */
import type { RunView } from '../../engine/views/status.ts';

export interface RunSummary extends Omit<RunView, 'batches' | 'in_doubt' | 'inputs' | 'failures' | 'schema_errors'> {
  readonly open_batches: OpenBatches | null;
  readonly in_doubt: readonly number[];
  readonly in_doubt_chunks: number;
  readonly inputs: readonly string[];
  readonly input_files: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly schema_errors: Readonly<Record<string, number>>;
}

export interface OpenBatches {
  readonly count: number;
  readonly rows: number;
  readonly oldest_at: string;
  readonly youngest_at: string;
}

const SHOWN_MAX = 20;

const made = new WeakMap<RunView, RunSummary>();

/**
 * The same object for the same view: whoever sends it knows by that whether it is news. `complete` puts the state folder
 * into commands that a hint names.
 */
export function summaryOf(view: RunView, complete: (text: string) => string): RunSummary {
  let summary = made.get(view);
  if (!summary) {
    const blocked = view.blocked.map((block) => ({ ...block, hint: complete(block.hint) }));
    summary = summarized({ ...view, blocked });
    made.set(view, summary);
  }
  return summary;
}

function summarized({
  batches,
  in_doubt: doubt,
  inputs,
  failures,
  schema_errors: errors,
  ...rest
}: RunView): RunSummary {
  const open = batches.filter(({ status }) => status !== 'ended');
  const times = open.map((batch) => batch.created_at).sort();
  return {
    ...rest,
    open_batches:
      open.length === 0
        ? null
        : {
            count: open.length,
            rows: open.reduce((sum, { rows }) => sum + rows, 0),
            oldest_at: times[0] ?? '',
            youngest_at: times.at(-1) ?? '',
          },
    in_doubt: doubt.slice(0, SHOWN_MAX),
    in_doubt_chunks: doubt.length,
    inputs: inputs.slice(0, SHOWN_MAX),
    input_files: inputs.length,
    failures: first(failures),
    schema_errors: first(errors),
  };
}

/** The most frequent come first already. */
function first(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).slice(0, SHOWN_MAX));
}
