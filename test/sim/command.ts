/**
 * The commands as the command line would carry them out (src/cli), without its flags and its talk.
 */
import type { RunWishes } from '../../src/domain/model.ts';
import { createRowReader } from '../../src/domain/row/reader.ts';
import { prepareRows } from '../../src/domain/row/prepare-rows.ts';
import type { RowSource, SourceRecord } from '../../src/domain/source.ts';
import { AsCompleted } from '../../src/engine/output/as-completed.ts';
import { lockedError, tryDrive } from '../../src/engine/driver.ts';
import type { ApiEngine } from '../../src/engine/engine.ts';
import { ingest, type IngestReport } from '../../src/engine/ingest/ingest.ts';
import { recover } from '../../src/engine/recover.ts';
import { drive, type DriveEnd } from '../../src/engine/runner.ts';
import { newSession } from '../../src/engine/session.ts';
import { sweep } from '../../src/engine/cleanup/sweep.ts';
import { budgetOfRows } from './account.ts';
import { cachingOf } from './caching.ts';
import { OUTPUT, OUTPUT_AGAIN, type Incarnation, type Machine } from './machine.ts';
import type { InputRow, Plan } from './plan.ts';
import { settingsOf } from './schema-runs.ts';

/** `again`: the same input under another name, a run of its own. */
export type Command = 'run' | 'submit' | 'collect' | 'once' | 'retry' | 'again';
export type CommandEnd = DriveEnd | 'nothing' | 'reopened';

const holderOf = (command: Command) => ({ pid: 1, host: 'sim', command });

/** One command, to its end. */
export async function command(process: Incarnation, what: Command): Promise<CommandEnd> {
  const { engine, machine, stdout } = process;
  const { plan } = machine;
  if (what === 'retry') return retry(engine, plan);
  const prints = plan.troubles.output === 'as-completed' && what !== 'submit';
  const write = async (text: string): Promise<void> => {
    process.life.alive();
    stdout.print(text);
  };
  const asCompleted = prints ? new AsCompleted(engine, write) : null;
  const base = { holder: holderOf(what), retryLockMs: 0, asCompleted, once: what === 'once' };
  if (what === 'collect' || what === 'once') {
    const open = (await engine.store.runs()).filter((run) => run.state !== 'done');
    if (open.length === 0) return 'nothing';
    return finished(process, await drive(engine, { ...base, runIds: null, goal: 'finish' }));
  }
  machine.reading++;
  const name = what === 'again' ? 'again' : null;
  const report = await submit(engine, machine, name).finally(() => machine.reading--);
  const runId = report.verdict.kind === 'exists' ? report.verdict.runId : report.runId;
  if (what === 'submit' && (await engine.store.run(runId))?.state === 'done') return 'nothing';
  return finished(
    process,
    await drive(engine, { ...base, runIds: [runId], goal: what === 'submit' ? 'upload' : 'finish' }),
  );
}

function finished({ stdout }: Incarnation, end: DriveEnd): DriveEnd {
  if (end === 'done') stdout.finished = true;
  return end;
}

/** `batchrun retry`, as in cli/retry.ts. */
async function retry(engine: ApiEngine, plan: Plan): Promise<CommandEnd> {
  const [run] = (await engine.store.runs()).filter((one) => one.state === 'done');
  if (!run) return 'nothing';
  const driving = await tryDrive(engine, holderOf('retry'), 0);
  if (!driving) throw await lockedError(engine);
  try {
    await recover(newSession(engine, driving.driver));
    const states = plan.troubles.retry?.states ?? [];
    const rows = await driving.driver.reopen(run.id, states, engine.clock.now());
    await driving.driver.letGo(new Set((await engine.store.runs()).map((one) => one.id)), engine.clock.now());
    return rows > 0 ? 'reopened' : 'nothing';
  } finally {
    await driving.lock.release();
  }
}

/** `batchrun submit`'s first half: read, check, seal. */
async function submit(engine: ApiEngine, machine: Machine, name: string | null): Promise<IngestReport> {
  const { plan } = machine;
  const { budget } = plan.troubles;
  await sweep(engine);
  const caching = cachingOf(plan);
  const reader = createRowReader({ nowMs: engine.clock.now(), cache: caching.prefixes });
  return ingest(engine, {
    rows: prepareRows({
      source: sourceOf(plan.rows),
      read: (record) => reader.read(record),
      ...{ inputCount: 1, blockBytes: 4_096, limit: null, stopping: () => engine.signal.aborted },
    }),
    inputs: ['/in/rows.jsonl'],
    run: {
      name,
      origin: engine.api.origin,
      workspace: engine.api.workspace,
      settings: {
        chunkRows: plan.chunkRows,
        chunkBytes: 256_000_000,
        maxAttempts: plan.maxAttempts,
        retryLane: plan.retryLane,
        failIf: null,
        defuseFormulas: false,
        columns: [],
        ...settingsOf(plan),
        ...(caching.settings === null ? {} : { cache: caching.settings }),
        ...(plan.coalesce ? { coalesce: plan.coalesce } : {}),
        wishes: {
          ...wishesOf(engine, plan),
          ...(plan.schema ? { onSchemaError: plan.schema.onError } : {}),
          retryTruncated: plan.retryTruncated,
          // A budget that somebody has taken away is away for good, also where the run is read again.
          ...(machine.budgetRaisedAtMs === null && budget !== null
            ? { maxCostUsd: budgetOfRows(plan.rows, budget) }
            : {}),
          // As is a pilot.
          pilot: machine.pilotLetGoAtMs === null ? (plan.troubles.pilot?.rows ?? 0) : 0,
        },
      },
      settingHashes: {},
      output: name !== null ? OUTPUT_AGAIN : plan.troubles.output === 'stdout' ? '-' : OUTPUT,
      format: 'jsonl',
      errors: null,
      overwrite: true,
    },
    scope: { origin: engine.api.origin, workspaceHeader: null, name },
    onInvalid: 'skip',
    again: false,
    dryRun: false,
  });
}

function wishesOf(engine: ApiEngine, { troubles }: Plan): Partial<RunWishes> {
  const { lane, deadlineAfterMs } = troubles;
  return { lane, deadlineMs: deadlineAfterMs === null ? null : engine.clock.now() + deadlineAfterMs };
}

/** Rows in memory, a few at a time. */
function sourceOf(rows: readonly InputRow[]): RowSource {
  const records = rows.map(({ customId, params, betas }, at): SourceRecord => {
    const value = {
      ...(customId === undefined ? {} : { custom_id: customId }),
      params,
      ...(betas.length > 0 ? { betas } : {}),
    };
    return { file: 0, line: at + 1, value };
  });
  return {
    columns: [],
    async *records() {
      for (let at = 0; at < records.length; at += 7) yield records.slice(at, at + 7);
    },
    progress: () => ({ readBytes: 0, totalBytes: null }),
  };
}

/** The user's id of a row, or the one that it gets. */
export function idOf(row: InputRow, at: number): string {
  return row.customId ?? String(at + 1);
}
