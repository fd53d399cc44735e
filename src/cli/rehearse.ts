/**
 * `batchrun rehearse`: the whole job on the simulator in virtual time. Reads the input as `submit` does, and of the state
 * only what is known of the account; nothing is sent to the API and nothing is kept.
 */
import { BatchrunError, messageOf } from '../base/errors.ts';
import { plural } from '../base/units.ts';
import type { AdminLimits } from '../domain/pacing/admin-limits.ts';
import type { UsageEntry } from '../domain/model.ts';
import type { PoolRecord } from '../domain/store-steps.ts';
import { refuseUnpriced } from '../engine/ingest/refuse-wishes.ts';
import type { KnownAccount } from '../tools/rehearse/account.ts';
import { rehearsalReport } from '../tools/rehearse/html.ts';
import { rehearse, type Rehearsal } from '../tools/rehearse/rehearse.ts';
import { ADMIN_VARIABLE } from './drive/account.ts';
import type { ApiLink } from './drive/api-link.ts';
import {
  createRehearsal,
  findCredentialsIfAny,
  hasState,
  openInput,
  openReading,
  readLimits,
  systemNow,
  type Context,
} from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { pacingOf } from './flags/pacing.ts';
import { absoluteInputs, readTexts, shortInput } from './submit/prepare.ts';
import { createTelling } from './terminal/telling.ts';
import { readRows } from './submit/read-rows.ts';
import { rehearsalText } from './render/rehearsal-text.ts';
import { writeReport } from './files/report-file.ts';
import { noticesText, problemsText } from './render/problems-text.ts';
import { wishesAsked } from './flags/wishes.ts';
import { wishesOf } from '../domain/model.ts';
import { jsonText } from './terminal/ui.ts';

const DAY_MS = 86_400_000;
const DEFAULT_ORIGIN = 'https://api.anthropic.com';
/** Earlier batches of which the durations are taken. */
const HISTORY_BATCHES = 200;

export async function runRehearse(
  context: Context,
  inputs: readonly string[],
  argv: readonly string[],
): Promise<number> {
  const { flags, terminal } = context;
  const nowMs = systemNow();
  // The night begins with the day: what goes by the date is right, and the same rows give the same night all day.
  const startMs = Math.floor(nowMs / DAY_MS) * DAY_MS;
  const deadlineAfterMs = afterMs(flags.deadline, nowMs);
  const wishes = {
    ...wishesAsked(flags),
    ...(deadlineAfterMs === null ? {} : { deadlineMs: startMs + deadlineAfterMs }),
  };
  const known = await knownAccount(context);
  const source = await openInput(inputs, flags);
  const rows = readRows(context, { inputs, source, texts: readTexts(flags), argv });
  const progress = createTelling(context);
  const rehearsal = await rehearse(await createRehearsal(), {
    ...{ rows, known, startMs, deadlineAfterMs, signal: context.signal, emit: progress.emit },
    ...{ inputs: absoluteInputs(inputs), onInvalid: flags.onInvalid, pacing: pacingOf(flags) },
    ...{ faults: flags.faults ?? 'light', seed: flags.seed ?? 1, nights: flags.nights ?? null },
    settings: {
      chunkRows: Math.min(flags.chunkSize, flags.maxQueued ?? Infinity),
      chunkBytes: flags.chunkBytes,
      maxAttempts: flags.maxAttempts,
      retryLane: flags.retryLane,
      ...{ failIf: null, defuseFormulas: false, columns: [], wishes },
    },
    onStep: ({ report, done, of }) => {
      progress.stop();
      if (done === 0) {
        refuseUnpriced(wishesOf({ settings: { wishes } }), report.mix);
        if (flags.quiet !== true) terminal.talk(`Rehearsing ${plural(report.rows, 'row')}, ${plural(of, 'night')}.`);
      }
      terminal.line(done < of ? `night ${done + 1} of ${of}` : '');
    },
  });
  await show(context, rehearsal, { inputs, nowMs });
  return EXIT.ok;
}

/** To the second: what is rehearsed must not differ by when exactly the command was typed. */
function afterMs(deadline: number | 'none' | undefined, nowMs: number): number | null {
  if (deadline === undefined || deadline === 'none') return null;
  return Math.round((deadline - nowMs) / 1_000) * 1_000;
}

async function show(
  { flags, terminal }: Context,
  { view, report, slices }: Rehearsal,
  { inputs, nowMs }: { readonly inputs: readonly string[]; readonly nowMs: number },
): Promise<void> {
  if (report.problemCount > 0) terminal.talk(problemsText(report.problems, report.problemCount));
  const notices = noticesText(report.notices);
  if (notices !== '' && flags.quiet !== true) terminal.talk(notices);
  if (flags.json === true) await terminal.data(jsonText(view));
  else await terminal.text(`${rehearsalText(view, { nowMs, columns: terminal.columns })}\n`);
  if (flags.html === undefined) return;
  const path = writeReport(
    flags.html,
    rehearsalReport(view, { slices, nowMs, input: inputs.map(shortInput).join(', ') }),
  );
  if (flags.quiet !== true) terminal.talk(`The report is in ${path}.`);
}

/** What this state, the Admin API and the flags say of the account. */
async function knownAccount(context: Context): Promise<KnownAccount> {
  const { flags } = context;
  const link = await findCredentialsIfAny(context);
  const origin = link?.api.origin ?? originSaid();
  const state = await readState(context.stateFolder, origin);
  const knowsQueue = state.pools.some(({ limits }) =>
    limits.some(({ name, source }) => name === 'queue' && source !== 'assumed' && source !== 'flag'),
  );
  const asksAdmin = flags.tier === undefined && !knowsQueue && link !== null;
  return {
    ...state,
    admin: asksAdmin ? await adminLimits(context, link) : null,
    tier: flags.tier ?? null,
    outputTokens: flags.outputTokens === undefined ? null : Math.max(1, Math.round(flags.outputTokens)),
    batchDurationMs: flags.batchDuration ?? null,
    messageLatencyMs: flags.messageLatency ?? null,
  };
}

function originSaid(): string {
  const said = process.env['ANTHROPIC_BASE_URL'] ?? '';
  return (said === '' ? DEFAULT_ORIGIN : said).replace(/\/+$/, '');
}

async function readState(folder: string, origin: string): Promise<Pick<KnownAccount, 'pools' | 'history' | 'usage'>> {
  if (!hasState(folder)) return { pools: [], history: [], usage: [] };
  const ledger = await openReading(folder);
  try {
    const usage: UsageEntry[] = [];
    for (const run of await ledger.runs()) if (run.origin === origin) usage.push(...(await ledger.usage(run.id)));
    return {
      pools: ofOneOrganization(await ledger.pools(origin)),
      history: await ledger.batchHistory(origin, HISTORY_BATCHES),
      usage,
    };
  } finally {
    await ledger.close();
  }
}

/** Of several accounts the one that was used last. */
function ofOneOrganization(pools: readonly PoolRecord[]): readonly PoolRecord[] {
  const newest = [...pools].sort((one, other) => other.atMs - one.atMs)[0];
  return pools.filter(({ organization }) => organization === newest?.organization);
}

async function adminLimits({ terminal, signal }: Context, link: ApiLink): Promise<AdminLimits | null> {
  const adminKey = process.env[ADMIN_VARIABLE] ?? '';
  if (adminKey === '') return null;
  try {
    return await readLimits(adminKey, link, signal);
  } catch (error) {
    if (!(error instanceof BatchrunError)) throw error;
    terminal.talk(`The Admin API does not tell the limits: ${messageOf(error)}.`);
    return null;
  }
}
