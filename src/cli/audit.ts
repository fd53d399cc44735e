/**
 * `batchrun audit [run]`: compares the ledger with itself, its files and the API's list. Writes nothing and takes no
 * lock, so it may run at any time, beside a driver too. Exit 3 when anything is off.
 */
import { BatchrunError } from '../base/errors.ts';
import { audit } from '../engine/audit/audit.ts';
import type { AuditReport } from '../engine/audit/report.ts';
import type { RunRecord } from '../domain/model.ts';
import { connectApi, createEngine, hasState, openStore, type ApiLink, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { originError } from './drive/drive-runs.ts';
import { auditText } from './render/audit-text.ts';
import { selectRuns } from './drive/select-run.ts';
import { shellQuote } from '../base/shell.ts';
import { isDriving } from './status.ts';
import { jsonText } from './terminal/ui.ts';

export async function runAudit(context: Context, wanted: string | undefined): Promise<number> {
  const { flags, terminal, stateFolder } = context;
  if (!hasState(stateFolder)) throw new BatchrunError('E_RUN_UNKNOWN', `there is no state in ${stateFolder}`);
  const store = await openStore(stateFolder);
  try {
    const all = await selectRuns(store, wanted, stateFolder);
    const link = await connectApi(context, all);
    const runs = ofThisOrigin(context, { all, named: wanted !== undefined, link });
    const engine = await createEngine(context, { store, emit: () => undefined });
    const driver = await store.driver();
    const state = flags.state === '.batchrun' ? '' : ` --state ${shellQuote(flags.state)}`;
    const report = await audit(engine, {
      api: link.api,
      keys: link.keys,
      runs,
      driven: driver !== null && isDriving(driver),
      command: (words) => `\`${words}${state}\``,
      tell: (text) => terminal.line(text),
    });
    terminal.line('');
    const leftAlone = all.filter((run) => !runs.includes(run)).map((run) => run.id);
    if (flags.json === true) await terminal.data(jsonText({ ...report, left_alone: leftAlone }));
    else await terminal.text(auditText(report, terminal.dataColor));
    return exitOf(report);
  } finally {
    terminal.line('');
    await store.close();
  }
}

/** A run belongs to the API it was made for: its batches are nowhere else. */
function ofThisOrigin(
  { terminal }: Context,
  { all, named, link }: { readonly all: readonly RunRecord[]; readonly named: boolean; readonly link: ApiLink },
): readonly RunRecord[] {
  const here = all.filter((run) => run.origin === link.api.origin);
  const other = all.find((run) => run.origin !== link.api.origin);
  if (!other) return here;
  const error = originError(other, link);
  if (named || here.length === 0) throw error;
  terminal.talk(`Left alone: ${error.message}.`);
  return here;
}

function exitOf({ ok, complete, api }: AuditReport): number {
  if (ok) return EXIT.ok;
  if (complete) return EXIT.rowsFailed;
  return api.error?.blocked === true ? EXIT.blocked : EXIT.notFinished;
}
