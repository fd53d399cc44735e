/**
 * `batchrun submit`: read, check, seal, show what it will cost, upload as many batches as the caps allow, print the run
 * id. What does not fit waits for `collect`.
 */
import { systemClock } from '../base/clock.ts';
import { BatchrunError } from '../base/errors.ts';
import { formatBytes, formatCount, formatUsd, plural } from '../base/units.ts';
import { parseFailIf } from '../domain/fail-if.ts';
import { wishesOf, type ModelMix, type RunWishes } from '../domain/model.ts';
import { worstRunCostUsd } from '../domain/reserve.ts';
import type { Engine } from '../engine/engine.ts';
import { ingest, type IngestReport, type IngestRequest } from '../engine/ingest/ingest.ts';
import { refuseUnpriced } from '../engine/ingest/refuse-wishes.ts';
import { sweep } from '../engine/cleanup/sweep.ts';
import type { RowReading, SourceRecord } from '../domain/source.ts';
import {
  connectApi,
  createEngine,
  findCredentialsIfAny,
  openInput,
  openStore,
  workspaceHeader,
  type ApiLink,
  type Context,
} from './context.ts';
import { deliver, reportDone } from './drive/deliver.ts';
import { driveAndReport } from './drive/drive-runs.ts';
import { credentialText } from './drive/key-pool.ts';
import { EXIT } from './drive/outcome.ts';
import { checkOutputs, chooseOutput, fillIn } from './files/output-path.ts';
import { runPreflight } from './submit/preflight.ts';
import { absoluteInputs, hashSettings, readTexts } from './submit/prepare.ts';
import { createTelling } from './terminal/telling.ts';
import { readRows } from './submit/read-rows.ts';
import { tellSchema } from './files/schema-file.ts';
import { cacheOfInputs, sayCacheHint } from './submit/submit-cache.ts';
import { settleOutput, tellIdentity } from './submit/submit-identity.ts';
import { uploadAndReport } from './submit/submit-upload.ts';
import { endPruned } from './submit/submit-view.ts';
import {
  budgetText,
  coalescing,
  dearerFlags,
  dearerText,
  rememberWishes,
  warnOfNoPilot,
  wishesAsked,
} from './flags/wishes.ts';
import type { PreflightView } from './render/preflight-text.ts';
import { noticesText, problemsText } from './render/problems-text.ts';
import { viewRoutes } from '../host/route-view.ts';
import { routesText } from './render/routes-text.ts';
import { savingText, savingView } from './render/saving-text.ts';
import { jsonText } from './terminal/ui.ts';

export interface SubmitOptions {
  /** The command as it is called in messages: submit or run. */
  readonly command: 'submit' | 'run';
  readonly argv: readonly string[];
  readonly wait: boolean;
}

export async function runSubmit(context: Context, inputs: readonly string[], options: SubmitOptions): Promise<number> {
  const { flags } = context;
  checkFlags(context, options);
  const { explainRouting: row } = flags;
  if (row !== undefined)
    return (await import('./explain-routing.ts')).explainRouting(context, inputs, { row, ...options });
  // Before the input is read: a missing key must not be found after ten minutes of reading.
  const link = flags.dryRun === true ? await findCredentialsIfAny(context) : await connectApi(context);
  const store = await openStore(context.stateFolder);
  try {
    const progress = createTelling(context);
    const engine = await createEngine(context, { store, emit: progress.emit });
    await sweep(engine);
    let preflight: PreflightView | null = null;
    const ask = async (read: IngestReport): Promise<ModelMix> => {
      const asked = link && (await runPreflight(context, { engine, link, inputs }, read));
      preflight = asked?.view ?? null;
      return asked?.mix ?? read.mix;
    };
    const request = await ingestRequest(context, { engine, inputs, link, options, ask });
    const report = await ingest(engine, request);
    progress.stop();
    tellReport(context, report, link);
    if (report.verdict.kind === 'dry_run' || link === null) return await endDryRun(context, report);
    if (report.verdict.kind === 'pruned') return await endPruned(context, report);
    const exists = report.verdict.kind === 'exists';
    const runId = report.verdict.kind === 'exists' ? report.verdict.runId : report.runId;
    const moved = report.verdict.kind === 'ready' ? report.verdict.moved : [];
    await settleOutput(context, store, { runId, exists, wait: options.wait, moved });
    await tellIdentity(context, store, { runId, exists, hashes: request.run.settingHashes });
    const done = await store.run(runId);
    if (!exists && done) warnOfNoPilot(context, done);
    if (exists && done) await rememberWishes(context, store, done.state === 'done' ? [] : [done]);
    if (done?.state === 'done' && options.wait) return await reportDone(context, store, done, options.command);
    if (done?.state === 'done') await deliver(context, store, done);
    if (options.wait)
      return await driveAndReport(context, store, { command: options.command, runIds: [runId], once: false, link });
    const { saving } = report;
    return await uploadAndReport(context, { engine, store, link, runId, exists, preflight, saving });
  } finally {
    await store.close();
  }
}

function checkFlags({ flags }: Context, options: SubmitOptions): void {
  if (flags.failIf !== undefined) parseFailIf(flags.failIf);
  wishesAsked(flags);
  const stdout = flags.output === '-' || flags.asCompleted === true;
  if (stdout && flags.json === true) {
    throw new BatchrunError('E_USAGE', '--json and results on stdout cannot go together', {
      hint: 'Write the results to a file.',
    });
  }
  if (stdout && !options.wait) {
    throw new BatchrunError('E_USAGE', 'submit ends before there are results to print', {
      hint: 'Add --wait, or use `batchrun run`, or give --output to collect.',
    });
  }
}

/** What is wanted of the run, the usual where no flag says otherwise. */
function allWishes({ flags }: Context): RunWishes {
  return wishesOf({ settings: { wishes: wishesAsked(flags) } });
}

export interface Reading {
  readonly engine: Engine;
  readonly inputs: readonly string[];
  readonly link: ApiLink | null;
  readonly options: SubmitOptions;
  /** Sees every record and what was made of it. */
  readonly onReading?: (record: SourceRecord, reading: RowReading) => void;
  /** Asks the API about a run that is new and read, before it counts. Gives what is to be reckoned with. */
  readonly ask?: (report: IngestReport) => Promise<ModelMix>;
}

export async function ingestRequest(
  context: Context,
  { engine, inputs, link, options, onReading, ask }: Reading,
): Promise<IngestRequest> {
  const { flags } = context;
  const texts = readTexts(flags);
  if (texts.schema) await engine.schemas.compile(texts.schema.kept);
  tellSchema(context, texts.schema);
  const choice = chooseOutput(flags, inputs);
  const opened = await openInput(inputs, flags);
  const origin = link?.api.origin ?? '';
  const settingHashes = hashSettings(flags, texts);
  const request = { inputs, texts, argv: options.argv };
  const caching = await cacheOfInputs(context, { ...request, engine, link, source: opened, origin, settingHashes });
  const { source } = caching;
  const rows = readRows(context, { ...request, source, onReading, cache: caching.prefixes });
  return {
    rows,
    inputs: absoluteInputs(inputs),
    run: {
      name: flags.name ?? null,
      origin,
      workspace: link?.api.workspace ?? '',
      settings: {
        // A chunk goes whole or not at all: one that is larger than the queue would not keep to it.
        chunkRows: Math.min(flags.chunkSize, flags.maxQueued ?? Infinity),
        chunkBytes: flags.chunkBytes,
        maxAttempts: flags.maxAttempts,
        retryLane: flags.retryLane,
        failIf: flags.failIf ?? null,
        defuseFormulas: flags.defuseFormulas,
        columns: source.columns.filter((column) => column !== (flags.idColumn ?? 'custom_id')),
        ...(texts.schema ? { schema: texts.schema.kept } : {}),
        wishes: wishesAsked(flags),
        ...(caching.settings === null ? {} : { cache: caching.settings }),
        ...coalescing(flags),
      },
      settingHashes,
      ...choice,
    },
    scope: { origin, workspaceHeader: link === null ? null : workspaceHeader(link), name: flags.name ?? null },
    onInvalid: flags.onInvalid,
    ...(texts.routes ? { routes: texts.routes } : {}),
    again: flags.again === true,
    dryRun: flags.dryRun === true,
    confirm: async (report, known, fingerprint) => {
      if (known) return report.mix;
      refuseUnpriced(allWishes(context), report.mix);
      // A file that another run wrote is refused before anything is sent.
      const nowMs = systemClock.now();
      const fill = (path: string | null): string | null =>
        path === null ? null : fillIn(path, { id: '{run}', createdAtMs: nowMs });
      const filled = { ...choice, output: fill(choice.output), errors: fill(choice.errors) };
      // As they are now: to read the input may have taken long. The same submit beside this one has made the same run.
      const runs = await engine.store.runs();
      const others =
        flags.again === true ? runs : runs.filter((run) => run.fingerprint !== fingerprint || run.canceled);
      checkOutputs({ choice: filled, inputs: absoluteInputs(inputs), runId: null, runs: others });
      const mix = (await ask?.(report)) ?? report.mix;
      await sayCacheHint(context, engine, { report, texts });
      await confirm(context, { ...report, mix }, link);
      return mix;
    },
  };
}

/** Asks on a terminal when the run may cost more than --confirm-over. Never in a pipe or cron. */
async function confirm(context: Context, report: IngestReport, link: ApiLink | null): Promise<void> {
  const { flags, terminal } = context;
  if (flags.yes === true || flags.dryRun === true || !terminal.interactive || link === null) return;
  const wishes = allWishes(context);
  const most = worstRunCostUsd(report.mix, wishes.lane);
  const dearer = dearerFlags(wishes, flags);
  if (most !== null && most <= flags.confirmOver) return;
  const more = dearer.length === 0 ? '' : ` (more with ${dearer.join(' and ')})`;
  const cost =
    most === null ? 'an unknown amount (a model without a known price)' : `at most about ${formatUsd(most)}${more}`;
  terminal.talk(
    `${plural(report.rows - report.invalid, 'row')} to ${link.baseUrl} with ${credentialText(link)}, ${cost}.`,
  );
  const answer = await terminal.ask('Send it? [y/N] ');
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new BatchrunError('E_NOT_CONFIRMED', 'nothing was sent and no run was made');
}

function tellReport(context: Context, report: IngestReport, link: ApiLink | null): void {
  const { flags, terminal } = context;
  if (report.problemCount > 0) terminal.talk(problemsText(report.problems, report.problemCount));
  if (flags.quiet === true) return;
  if (report.restored > 0) {
    terminal.talk(`${plural(report.restored, 'damaged file')} of the run were made again from the input.`);
  }
  const notices = noticesText(report.notices);
  if (notices !== '') terminal.talk(notices);
  const wishes = allWishes(context);
  const most = worstRunCostUsd(report.mix, wishes.lane);
  const cost = most === null ? 'cost unknown (a model without a known price)' : `at most about ${formatUsd(most)}`;
  const skipped = report.invalid > 0 ? `, ${formatCount(report.invalid)} skipped` : '';
  terminal.talk(
    `${plural(report.rows, 'row')}${skipped}, ${plural(report.chunks, 'batch', 'batches')}, ${formatBytes(report.bytes)}, ${cost}` +
      (link === null ? '' : `, to ${link.baseUrl} with ${credentialText(link)}`),
  );
  if (report.routes.length > 0) terminal.talk(routesText(report.routes, wishes.lane));
  for (const line of savingText(report.saving, report.rows - report.invalid)) terminal.talk(line);
  const dearer = most === null ? null : dearerText(wishes, flags);
  if (dearer !== null) terminal.talk(dearer);
  const budget = budgetText(wishes, report.mix);
  if (budget !== null) terminal.talk(budget);
}

async function endDryRun(context: Context, report: IngestReport): Promise<number> {
  const { flags, terminal } = context;
  const first: unknown = report.firstParamsJson === null ? null : JSON.parse(report.firstParamsJson);
  if (flags.json === true) {
    const { rows, invalid, chunks, bytes, problems } = report;
    const { lane } = allWishes(context);
    const most = worstRunCostUsd(report.mix, lane);
    const view = {
      ...{ dry_run: true, rows, invalid, chunks, bytes, cost_usd: { estimated_max: most }, problems },
      ...(report.routes.length > 0 ? { routes: viewRoutes(report.routes, lane) } : {}),
      saving: savingView(report.saving),
      first_request: first,
    };
    await terminal.data(jsonText(view));
    return EXIT.ok;
  }
  terminal.talk('The first request, as it would be sent:');
  await terminal.data(`${JSON.stringify(first, null, 2)}\n`);
  terminal.talk('Dry run: nothing was sent and no run was made.');
  return EXIT.ok;
}
