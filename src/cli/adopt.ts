/**
 * `batchrun adopt <batch> --input F`: a batch that a script of somebody's made becomes a run: it is followed, proved
 * whole, collected, and what failed in it is tried again. Its rows are not sent: the batch is the chunk's from the first
 * instant on which the run exists. The same input submitted later continues this run.
 */
import { BatchrunError, isBatchrunError } from '../base/errors.ts';
import { plural } from '../base/units.ts';
import { BATCH_BYTES_MAX, BATCH_ROWS_MAX } from '../domain/limits.ts';
import { requestCount, type BatchInfo, type RunRecord } from '../domain/model.ts';
import { CUSTOM_ID } from '../domain/result-line.ts';
import { generatedId } from '../domain/row-file.ts';
import type { BatchApi } from '../domain/ports.ts';
import { lineOf, type RowReading, type SourceRecord } from '../domain/source.ts';
import type { Store } from '../domain/store.ts';
import { readHead } from '../engine/doubt/batch-head.ts';
import type { ApiEngine } from '../engine/engine.ts';
import { ingest, type IngestReport, type IngestRequest } from '../engine/ingest/ingest.ts';
import { apiFailureOf } from '../engine/session.ts';
import { sweep } from '../engine/cleanup/sweep.ts';
import { connectApi, createEngine, openStore, withApi, type ApiLink, type Context } from './context.ts';
import { reportDone } from './drive/deliver.ts';
import { driveAndReport } from './drive/drive-runs.ts';
import { EXIT } from './drive/outcome.ts';
import { absoluteInputs } from './submit/prepare.ts';
import { createTelling } from './terminal/telling.ts';
import { ingestRequest } from './submit.ts';
import { submitView } from './submit/submit-view.ts';
import { jsonText } from './terminal/ui.ts';

export async function runAdopt(context: Context, batchId: string, argv: readonly string[]): Promise<number> {
  const { flags } = context;
  if (flags.input === undefined) {
    throw new BatchrunError('E_USAGE', 'adopt needs --input: the rows that the batch was made of', {
      hint: `For example: batchrun adopt ${batchId} --input rows.jsonl`,
    });
  }
  const link = await connectApi(context);
  const store = await openStore(context.stateFolder);
  try {
    const progress = createTelling(context);
    const engine = withApi(await createEngine(context, { store, emit: progress.emit }), link, flags);
    await sweep(engine);
    const followed = await followedBy(engine, batchId, flags.input);
    if (followed) return await goOn(context, { store, run: followed, link, batchId });
    const { batch, api } = await batchToAdopt(engine, batchId);
    const options = { command: 'submit', argv, wait: flags.wait === true } as const;
    // Nothing is sent, so nobody is asked about the cost, and nothing can be refused any more.
    const asking = { ...context, flags: { ...flags, yes: true, preflight: false } };
    const ids = new Set<string>();
    const onReading = (record: SourceRecord, reading: RowReading): void => void ids.add(checkedId(record, reading));
    const request = await ingestRequest(asking, { engine, inputs: [flags.input], link, options, onReading });
    const report = await ingest(engine, adopting({ ...engine, api }, request, { batch, ids }));
    progress.stop();
    const runId = adoptedRun(report, batch);
    if (flags.quiet !== true) tell(context, { runId, batch });
    if (flags.wait === true)
      return await driveAndReport(context, store, { command: 'adopt', runIds: [runId], once: false, link });
    await printRun(context, store, runId);
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

/** The run that the same command made before; null where nobody follows the batch. Another input is another matter. */
async function followedBy({ store }: ApiEngine, batchId: string, input: string): Promise<RunRecord | null> {
  const known = await store.batch(batchId);
  const run = typeof known?.runId === 'string' ? await store.run(known.runId) : null;
  if (!known || !run) return null;
  if (run.inputs.join() === absoluteInputs([input]).join()) return run;
  const letGo = `\`batchrun prune ${run.id}\` lets go of it; then adopt it again.`;
  throw new BatchrunError(
    'E_ADOPT',
    `${batchId} is the batch of chunk ${known.chunkNo} of ${run.id} already, with the input ${run.inputs.join(', ')}`,
    {
      hint:
        run.state === 'done'
          ? letGo
          : `\`batchrun collect ${run.id}\` follows it. Was that the wrong input: \`batchrun cancel ${run.id}\`, \`batchrun collect ${run.id}\`; ${letGo}`,
    },
  );
}

interface Followed {
  readonly store: Store;
  readonly run: RunRecord;
  readonly link: ApiLink;
  readonly batchId: string;
}

/** The same command again goes on where it stopped; on a finished run it does nothing. */
async function goOn(context: Context, { store, run, link, batchId }: Followed): Promise<number> {
  const { flags, terminal } = context;
  if (flags.quiet !== true) terminal.talk(`${batchId} is followed by ${run.id} already.`);
  if (run.state === 'done') return reportDone(context, store, run);
  if (flags.wait === true)
    return driveAndReport(context, store, { command: 'adopt', runIds: [run.id], once: false, link });
  await printRun(context, store, run.id);
  return EXIT.ok;
}

/** The batch, and the key that sees it. */
async function batchToAdopt(
  engine: ApiEngine,
  batchId: string,
): Promise<{ readonly batch: BatchInfo; readonly api: BatchApi }> {
  const apis = engine.keys?.filter((key) => !key.refused).map(({ api }) => api) ?? [engine.api];
  for (const api of apis) {
    try {
      return { batch: await api.retrieveBatch(batchId, engine.signal), api };
    } catch (error) {
      if (apiFailureOf(error)?.status !== 404) throw error;
    }
  }
  const whom = apis.length > 1 ? 'the keys of the pool' : 'this key';
  throw new BatchrunError('E_ADOPT', `the API does not know ${batchId} (404), for ${whom} at least`, {
    hint: 'Check the id, and that ANTHROPIC_API_KEY is a key of the workspace that made the batch.',
  });
}

/** The ingest of the rows as one chunk with the ids that the script gave them. */
function adopting(
  engine: ApiEngine,
  request: IngestRequest,
  { batch, ids }: { readonly batch: BatchInfo; readonly ids: ReadonlySet<string> },
): IngestRequest {
  return {
    ...request,
    run: {
      ...request.run,
      settings: { ...request.run.settings, chunkRows: BATCH_ROWS_MAX, chunkBytes: BATCH_BYTES_MAX },
    },
    onInvalid: 'fail',
    dryRun: false,
    adopt: { batch, workspace: engine.api.workspace },
    confirm: async (report, known, fingerprint) => {
      if (known) return report.mix;
      checkSize(report, batch);
      await checkIds(engine, batch, ids);
      return (await request.confirm?.(report, known, fingerprint)) ?? report.mix;
    },
  };
}

function checkedId(record: SourceRecord, reading: RowReading): string {
  const given = reading.ok ? reading.row.customId : reading.customId;
  const id = given ?? generatedId(record.file, lineOf(record), 1);
  if (CUSTOM_ID.test(id)) return id;
  throw new BatchrunError('E_ADOPT', `line ${record.line}: "${id.slice(0, 20)}" cannot be the custom_id of a request`, {
    hint: 'Name the column with the custom_ids that the script used: --id-column.',
  });
}

function checkSize(report: IngestReport, batch: BatchInfo): void {
  const rows = requestCount(batch.counts);
  if (report.rows !== rows) {
    throw new BatchrunError(
      'E_ADOPT',
      `${batch.id} holds ${rows} requests; the input has ${plural(report.rows, 'row')}`,
    );
  }
  if (report.chunks === 1) return;
  throw new BatchrunError('E_ADOPT', 'the rows of the input do not fit into one batch', {
    hint: 'Rows with different betas, or more than 256 MB, cannot come from one batch. Check --betas and the input.',
  });
}

/** A batch that has ended shows its ids: the wrong input is noticed before there is a run. */
async function checkIds(engine: ApiEngine, batch: BatchInfo, ids: ReadonlySet<string>): Promise<void> {
  if (batch.status !== 'ended') return;
  let head: readonly string[] | null;
  try {
    head = await readHead(engine, batch);
  } catch (error) {
    // They are proved when they are collected; here it would only have been sooner.
    if (isBatchrunError(error, 'E_API')) return;
    throw error;
  }
  const strange = head?.find((id) => !ids.has(id));
  if (strange === undefined) return;
  throw new BatchrunError(
    'E_ADOPT',
    `${batch.id} holds a request "${strange.slice(0, 64)}", which is not in the input`,
    {
      hint: 'Give the input that the batch was made of, and with --id-column the column of its custom_ids.',
    },
  );
}

function adoptedRun(report: IngestReport, batch: BatchInfo): string {
  const { verdict } = report;
  switch (verdict.kind) {
    case 'exists':
      throw new BatchrunError('E_ADOPT', `the same rows are ${verdict.runId} already; nothing was changed`, {
        hint: `Is ${batch.id} a batch of its chunk in doubt: \`batchrun resolve ${verdict.runId} --chunk N --batch ${batch.id}\`. Is it another job: --name or --again.`,
      });
    case 'pruned':
      throw new BatchrunError(
        'E_ADOPT',
        `the same rows were run as ${verdict.tombstone.runId}, which was pruned since`,
        {
          hint: 'To follow the batch all the same, add --again.',
        },
      );
    default:
      return report.runId;
  }
}

function tell({ terminal }: Context, { runId, batch }: { readonly runId: string; readonly batch: BatchInfo }): void {
  terminal.talk(
    `${batch.id} (${plural(requestCount(batch.counts), 'row')}, ${batch.status}) is chunk 1 of ${runId}. Nothing was sent.`,
  );
}

async function printRun({ flags, terminal }: Context, store: Store, runId: string): Promise<void> {
  if (flags.quiet !== true) terminal.talk(`Now: batchrun collect ${runId}`);
  const view = await submitView(store, { runId, exists: false, driver: null });
  await terminal.data(flags.json === true ? jsonText(view) : `${runId}\n`);
}
