/**
 * `batchrun resolve <run> --chunk N --batch ID | --not-created | --lost`: a person settles a chunk in doubt. It is a
 * driver's work: beside another driver it is refused (exit 6).
 */
import { BatchrunError } from '../base/errors.ts';
import { drive } from '../engine/runner.ts';
import { resolveChunk, type Settlement } from '../engine/doubt/resolve.ts';
import { viewRun } from '../engine/views/status.ts';
import { connectApi, createEngine, hasState, holderOf, openStore, withApi, type Context } from './context.ts';
import { assertOrigin } from './drive/drive-runs.ts';
import type { Flags } from './flags/options.ts';
import { EXIT } from './drive/outcome.ts';
import { selectOpenRun } from './drive/select-run.ts';
import { jsonText } from './terminal/ui.ts';

export async function runResolve(context: Context, wanted: string): Promise<number> {
  const { flags, terminal, stateFolder } = context;
  const { chunkNo, how } = whatToSettle(flags);
  if (!hasState(stateFolder)) throw new BatchrunError('E_RUN_UNKNOWN', `there is no state in ${stateFolder}`);
  const store = await openStore(stateFolder);
  try {
    const run = await selectOpenRun(store, wanted, stateFolder);
    const link = await connectApi(context, [run]);
    assertOrigin(run, link);
    const engine = withApi(await createEngine(context, { store, emit: () => undefined }), link, flags);
    await drive(engine, {
      runIds: [],
      goal: 'upload',
      once: true,
      holder: holderOf('resolve'),
      retryLockMs: flags.retryLock,
      asCompleted: null,
      first: (session) => resolveChunk(session, { run, chunkNo }, how),
    });
    const now = (await store.run(run.id)) ?? run;
    if (flags.json === true) await terminal.data(jsonText({ runs: [await viewRun(store, now)] }));
    else if (flags.quiet !== true) terminal.talk(`${settledText(chunkNo, how)}\nNow: batchrun collect ${run.id}`);
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

function whatToSettle(flags: Flags): { readonly chunkNo: number; readonly how: Settlement } {
  const said: Settlement[] = [
    ...(flags.batch === undefined ? [] : [{ kind: 'batch', batchId: flags.batch } as const]),
    ...(flags.notCreated === true ? [{ kind: 'not_created' } as const] : []),
    ...(flags.lost === true ? [{ kind: 'lost' } as const] : []),
  ];
  const [how] = said;
  if (said.length > 1) {
    throw new BatchrunError('E_USAGE', 'only one of --batch, --not-created and --lost can be true of a chunk');
  }
  if (flags.chunk === undefined || !how) {
    throw new BatchrunError('E_USAGE', 'resolve needs --chunk and one of --batch, --not-created, --lost', {
      hint: 'For example: batchrun resolve latest --chunk 3 --batch msgbatch_01… (`batchrun status` names chunk and candidates).',
    });
  }
  return { chunkNo: flags.chunk, how };
}

function settledText(chunkNo: number, how: Settlement): string {
  switch (how.kind) {
    case 'batch':
      return `Chunk ${chunkNo} is with ${how.batchId} now: it is followed and collected.`;
    case 'not_created':
      return `Chunk ${chunkNo} counts as never sent and goes out again. If a batch of it turns up all the same, it is remembered, and \`batchrun audit\` prices it.`;
    case 'lost':
      return `The rows of chunk ${chunkNo} are given up: they failed with batchrun_results_lost. \`batchrun retry\` would send (and pay) them again.`;
  }
}
