/**
 * `batchrun loadtest`: realtime load on the simulator, or with --target and --yes on a real endpoint, and what it found.
 * It touches no state folder. Ctrl-C ends the load, not the report.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { BatchrunError, messageOf } from '../base/errors.ts';
import { plural } from '../base/units.ts';
import { CSV_HEADER, csvLine } from '../tools/loadtest/csv.ts';
import { loadTimes } from '../tools/loadtest/histogram.ts';
import { loadReport } from '../tools/loadtest/html.ts';
import type { LoadPoint } from '../tools/loadtest/live.ts';
import { viewLoad } from '../tools/loadtest/result.ts';
import { LoadSession } from '../tools/loadtest/session.ts';
import { viewSettings, type LoadSettings } from '../tools/loadtest/settings.ts';
import type { LoadView } from '../tools/loadtest/view.ts';
import { loadLine, settingsLine } from '../tools/loadtest/words.ts';
import { apiTarget, connectLoad, credentialIn, simTarget, type MessagesTarget } from './context-load.ts';
import type { Context } from './context.ts';
import { confirmCharged, refuseUnpriced } from './loadtest/confirm.ts';
import { showLive } from './loadtest/live.ts';
import { refuseOutputs } from './loadtest/outputs.ts';
import { startLoadtestPage } from './loadtest/page.ts';
import { requestsOf } from './loadtest/requests.ts';
import { conditionsOf, refuseUser, settingsOf, whereOf, type Where } from './loadtest/settings.ts';
import { startSim } from './loadtest/sim.ts';
import { EXIT } from './drive/outcome.ts';
import { loadtestText } from './render/loadtest-text.ts';
import { writeReport } from './files/report-file.ts';
import { createPaint, jsonText } from './terminal/ui.ts';

export async function runLoadtest(
  context: Context,
  inputs: readonly string[],
  argv: readonly string[],
): Promise<number> {
  const { flags } = context;
  const conditions = conditionsOf(flags);
  const where = whereOf(flags);
  refuseOutputs(flags, inputs);
  const charged = where.kind === 'api';
  const entries = await requestsOf(context, { inputs, argv, charged });
  const endpoint = where.kind === 'api' ? await apiTarget(where.baseUrl) : null;
  if (endpoint !== null) refuseUser(endpoint.url, 'ANTHROPIC_BASE_URL');
  const target = endpoint === null ? 'sim' : endpoint.url.href.replace(/\/v1\/messages.*$/, '');
  const settings = settingsOf(flags, { where, entries, target });
  if (endpoint !== null) confirmCharged(context, { settings, credential: await credentialIn(endpoint) });
  else refuseUnpriced(settings);
  const sim = endpoint === null ? await startSim(flags) : null;
  try {
    const done = await load(context, {
      ...{ settings, where, endpoint: endpoint ?? (await simTarget(sim?.origin ?? '')) },
      viewOf: (session) => viewLoad(session, { conditions, charged }),
    });
    const isWritten = await show(context, done);
    return isWritten ? exitOf(done.view) : EXIT.unexpected;
  } finally {
    await sim?.close();
  }
}

interface LoadParts {
  readonly settings: LoadSettings;
  readonly where: Where;
  readonly endpoint: MessagesTarget;
  readonly viewOf: (session: LoadSession) => LoadView;
}

/** A load test that is over. */
interface Done {
  readonly view: LoadView;
  readonly points: readonly LoadPoint[];
  /** Why the seconds are not all in their file; null: they are. */
  readonly csvBroken: string | null;
}

async function load(context: Context, { settings, where, endpoint, viewOf }: LoadParts): Promise<Done> {
  const { flags, terminal, signal } = context;
  const csv = flags.csv === undefined ? null : openCsv(flags.csv);
  const client = await connectLoad(endpoint);
  try {
    const onPoint = (point: LoadPoint): void => csv?.write(point);
    const session = new LoadSession(settings, { clock: systemClock, client, newTimes: await loadTimes(), onPoint });
    const page = flags.web === true ? await startLoadtestPage(context, session) : null;
    if (flags.quiet !== true) {
      const view = viewSettings(settings);
      const at = where.kind === 'sim' ? 'the simulator' : settings.target;
      terminal.talk(`Load on ${at}: ${loadLine(view)}; ${settingsLine(view)}. Ctrl-C ends it, with its report.`);
    }
    const hide = flags.quiet === true ? () => undefined : showLive(session, terminal);
    const stop = (): void => session.stop();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    let view: LoadView | null = null;
    try {
      await session.run();
      view = viewOf(session);
    } finally {
      signal.removeEventListener('abort', stop);
      hide();
      await page?.close(view);
    }
    return { view, points: session.tally.points, csvBroken: csv?.close() ?? null };
  } finally {
    client.close();
    csv?.close();
  }
}

/** False where a file that was asked for is not whole. Stdout has the figures then all the same, and nothing but them. */
async function show({ flags, terminal }: Context, { view, points, csvBroken }: Done): Promise<boolean> {
  const paint = createPaint(process.stdout.isTTY && terminal.color);
  await terminal.data(flags.json === true ? jsonText(view) : `${loadtestText(view, paint)}\n`);
  const written: string[] = [];
  const broken: string[] = [];
  if (flags.html !== undefined) {
    try {
      written.push(`The report is in ${writeReport(flags.html, loadReport(view, points))}.`);
    } catch (error) {
      broken.push(`Not written: ${messageOf(error)}. Stdout has its figures.`);
    }
  }
  if (csvBroken !== null) broken.push(`Not whole: ${csvBroken}.`);
  else if (flags.csv !== undefined) written.push(`${plural(points.length, 'second')} in ${resolve(flags.csv)}.`);
  for (const line of flags.quiet === true ? broken : [...written, ...broken]) terminal.talk(line);
  return broken.length === 0;
}

/** A threshold that is passed, or a test in which nothing succeeded or nothing was sent: neither is fine for CI. */
function exitOf({ thresholds, requests }: LoadView): number {
  const failed = thresholds.some((one) => one.failed) || requests.succeeded === 0;
  return failed ? EXIT.rowsFailed : EXIT.ok;
}

/** Written as the seconds pass: what was measured until a crash is there. `close` gives what went wrong. */
function openCsv(file: string): { write(point: LoadPoint): void; close(): string | null } {
  const path = resolve(file);
  const wrong = (error: unknown): string => `the seconds cannot be written to ${path}: ${messageOf(error)}`;
  let handle: number;
  let broken: string | null = null;
  let isClosed = false;
  try {
    handle = openSync(path, 'w');
    writeSync(handle, CSV_HEADER);
  } catch (error) {
    throw new BatchrunError('E_FILE', wrong(error), { cause: error });
  }
  return {
    write: (point) => {
      try {
        if (broken === null) writeSync(handle, csvLine(point));
      } catch (error) {
        // The test goes on: what it has cost is worth its report.
        broken = wrong(error);
      }
    },
    close: () => {
      if (!isClosed) closeSync(handle);
      isClosed = true;
      return broken;
    },
  };
}
