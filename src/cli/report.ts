/**
 * `batchrun report run [run]`: one HTML file on a run, for people who were not there. Reads one instant of the ledger and
 * the files beside it; offline, beside a driver, and whatever state the run is in.
 */
import { BatchrunError } from '../base/errors.ts';
import type { RunRecord } from '../domain/model.ts';
import type { Store } from '../domain/store.ts';
import { gatherReport } from '../tools/run-report/gather.ts';
import { aboutRun, runReportPage } from '../tools/run-report/html.ts';
import { createEngine, hasState, openStore, systemNow, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { fillIn } from './files/output-path.ts';
import { sideFile, type TypedTarget } from './files/side-file.ts';
import { isReportAbout, reportText, writeReport } from './files/report-file.ts';
import { selectRun } from './drive/select-run.ts';
import { shellQuote } from '../base/shell.ts';

export interface ReportWords {
  readonly what: string;
  readonly run: string | undefined;
}

/** `{run}` is filled in. */
const DEFAULT_OUTPUT = '{run}.report.html';

export async function runReport(context: Context, words: ReportWords, typed: TypedTarget): Promise<number> {
  const { flags, stateFolder, terminal } = context;
  if (words.what !== 'run') throw unknownReport(words);
  if (!hasState(stateFolder)) throw new BatchrunError('E_RUN_UNKNOWN', `there is no state in ${stateFolder}`);
  const store = await openStore(stateFolder);
  try {
    const run = await selectRun(store, words.run ?? 'latest', stateFolder);
    const path = await outputOf(store, run, typed);
    const page = await pageOf(context, store, run);
    if (path === '-') await terminal.data(reportText(page));
    else {
      writeReport(path, page);
      if (flags.quiet !== true) terminal.talk(`Report: ${path}`);
    }
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

/** An older report on the same run may be replaced: it can be made again. Any other file only with --overwrite. */
async function outputOf(store: Store, run: RunRecord, typed: TypedTarget): Promise<string> {
  const output = typed.output ?? DEFAULT_OUTPUT;
  const overwrite = typed.overwrite || isReportAbout(fillIn(output, run), aboutRun(run));
  return sideFile(store, run, { output, overwrite });
}

async function pageOf(context: Context, store: Store, { id }: RunRecord): Promise<ReturnType<typeof runReportPage>> {
  const { flags } = context;
  const { files } = await createEngine(context, { store, emit: () => undefined });
  const ledger = await store.snapshot();
  try {
    const run = await ledger.run(id);
    if (!run) throw new BatchrunError('E_RUN_UNKNOWN', `${id} was pruned a moment ago`);
    const report = await gatherReport({ ledger, files, run, nowMs: systemNow(), texts: flags.texts === true });
    const state = flags.state === '.batchrun' ? [] : ['--state', flags.state];
    return runReportPage(report, (words) => ['batchrun', ...words, ...state].map(shellQuote).join(' '));
  } finally {
    await ledger.close();
  }
}

function unknownReport({ what, run }: ReportWords): BatchrunError {
  const meant = `batchrun report run ${shellQuote(run ?? what)}`;
  return new BatchrunError('E_USAGE', `there is no report on "${what}": there is one on a run`, {
    hint: `Type \`batchrun report run\` for the latest run, or \`${meant}\`.`,
  });
}
