/**
 * What `submit` says at its end: how much is uploaded, what waits, who drives; or that the run has been pruned.
 */
import { BatchrunError } from '../../base/errors.ts';
import { formatCount, plural } from '../../base/units.ts';
import type { Store } from '../../domain/store.ts';
import type { DriverRecord } from '../../domain/store-steps.ts';
import type { IngestReport } from '../../engine/ingest/ingest.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../drive/outcome.ts';
import type { PreflightView } from '../render/preflight-text.ts';
import { jsonText } from '../terminal/ui.ts';

/** The answer of `submit`: the shape of its `--json`. */
export async function submitView(
  store: Store,
  { runId, exists, driver, preflight = null }: SubmitOf,
): Promise<SubmitView> {
  const run = await store.run(runId);
  if (!run) throw new BatchrunError('E_BUG', `this must not happen: run ${runId} is gone`);
  const counts = await store.chunkCounts(runId);
  const copies = run.settings.coalesce ? await store.copyCounts(runId) : [];
  const copied = (states?: readonly string[]): number =>
    copies.filter(({ state }) => states?.includes(state) ?? true).reduce((sum, { chunks }) => sum + chunks, 0);
  return {
    run_id: runId,
    name: run.name,
    state: run.state,
    rows: run.totalRows,
    invalid: run.rows.invalid,
    // Copy chunks are never sent.
    chunks: Object.values(counts).reduce((sum, count) => sum + count, 0) - copied(),
    uploaded: counts.submitted + counts.ended + counts.collected - copied(['collected']),
    waiting: counts.sealed - copied(['sealed']),
    uncertain: counts.uncertain,
    already_submitted: exists,
    driver: driver === null ? null : { pid: driver.pid, host: driver.host, command: driver.command },
    blocked: run.blocked.map(({ reason, message, hint }) => ({ reason, message, hint })),
    output: run.output,
    preflight,
  };
}

interface SubmitOf {
  readonly runId: string;
  readonly exists: boolean;
  readonly driver: DriverRecord | null;
  readonly preflight?: PreflightView | null;
}

export interface SubmitView {
  readonly run_id: string;
  readonly name: string | null;
  readonly state: string;
  readonly rows: number;
  readonly invalid: number;
  readonly chunks: number;
  readonly uploaded: number;
  readonly waiting: number;
  readonly uncertain: number;
  readonly already_submitted: boolean;
  readonly driver: { readonly pid: number; readonly host: string; readonly command: string } | null;
  readonly blocked: readonly { readonly reason: string; readonly message: string; readonly hint: string }[];
  readonly output: string | null;
  /** What the API said before anything was sent; null where it was not asked. */
  readonly preflight: PreflightView | null;
}

interface Told {
  /** Who drives instead. */
  readonly driver: DriverRecord | null;
  /** What becomes of the run where somebody else drives. */
  readonly left: string;
  /** What stood in the way and was told as it came up. */
  readonly told: ReadonlySet<string>;
}

/** The same for people. */
export function tellUploads({ terminal }: Context, view: SubmitView, { driver, left, told }: Told): void {
  if (view.state === 'done') return;
  if (driver) {
    terminal.talk(`Process ${driver.pid} on ${driver.host} (\`${driver.command}\`) drives this state: ${left}.`);
    return;
  }
  const waiting =
    view.waiting > 0 ? `, ${formatCount(view.waiting)} ${view.waiting === 1 ? 'waits' : 'wait'} to be sent` : '';
  const doubt = view.uncertain > 0 ? `, ${formatCount(view.uncertain)} in doubt` : '';
  terminal.talk(
    `${formatCount(view.uploaded)} of ${plural(view.chunks, 'batch', 'batches')} uploaded${waiting}${doubt}.`,
  );
  const untold = view.blocked.filter(({ message }) => !told.has(message));
  for (const block of untold) terminal.talk(`blocked: ${block.message}\n  ${block.hint}`);
  if (view.output !== null) terminal.talk(`Results will be in ${view.output}`);
  // What is blocked has said already what to do first.
  if (view.blocked.length === 0) terminal.talk('Now: batchrun collect');
}

/** The same rows were run before, and their run has been pruned since. */
export async function endPruned(context: Context, report: IngestReport): Promise<number> {
  const { terminal, flags } = context;
  if (report.verdict.kind !== 'pruned') return EXIT.unexpected;
  const { runId, name, rows, output, doneAtMs } = report.verdict.tombstone;
  const when = doneAtMs === null ? '' : ` on ${new Date(doneAtMs).toISOString()}`;
  terminal.talk(
    `The same ${plural(rows, 'row')} were run as ${runId}${when}${output === null ? '' : `, to ${output}`}; the run was pruned since.`,
  );
  terminal.talk('Nothing was sent. To pay for them again, add --again.');
  if (flags.json === true) {
    const view = {
      run_id: runId,
      name,
      state: 'pruned',
      rows,
      invalid: 0,
      chunks: 0,
      uploaded: 0,
      waiting: 0,
      uncertain: 0,
      already_submitted: true,
      driver: null,
    };
    await terminal.data(jsonText(view));
  } else {
    await terminal.data(`${runId}\n`);
  }
  return EXIT.ok;
}
