/**
 * An outage of the API as it stands in the ledger of the runs that it holds up: `status` shows it, and the next process
 * knows since when. While it lasts it is written anew every quarter of an hour, so that nobody takes an old word for the
 * state of things.
 */
import type { EventQuery } from '../../domain/store-steps.ts';
import type { Store } from '../../domain/store.ts';
import type { ApiCall, KnownOutage, Outage } from './reach.ts';
import { outageText } from './outage-text.ts';
import type { OutageView } from '../views/run-view.ts';
import type { Session } from '../session.ts';

export const SILENT_EVENT = 'api.unreachable';
export const ERRORS_EVENT = 'api.errors';
export const OVER_EVENT = 'api.answers';
const KINDS: readonly string[] = [SILENT_EVENT, ERRORS_EVENT, OVER_EVENT];
/** Of so many events, newest first, the last word is looked for: while an outage lasts little else happens. */
const EVENTS_LOOKED_AT = 200;
const AGAIN_MS = 15 * 60_000;

/** By the clock of this machine. */
export interface OutageSaid {
  readonly kind: Outage['kind'];
  readonly sinceMs: number;
  readonly lastMs: number;
  readonly cause: string;
  readonly call: string | null;
}

/** What was last said of an outage that was not over by then; else null. */
export async function lastOutage(
  store: Pick<Store, 'events'>,
  runId: string,
  query: EventQuery = { limit: EVENTS_LOOKED_AT },
): Promise<OutageSaid | null> {
  const events = await store.events(runId, { ...query, newest: true });
  const word = events.findLast(({ kind }) => KINDS.includes(kind));
  if (word === undefined || word.kind === OVER_EVENT) return null;
  const { since, cause, on } = word.data;
  const sinceMs = typeof since === 'string' ? Date.parse(since) : NaN;
  return {
    kind: word.kind === SILENT_EVENT ? 'silent' : 'errors',
    sinceMs: Number.isFinite(sinceMs) ? sinceMs : word.atMs,
    lastMs: word.atMs,
    cause: typeof cause === 'string' ? cause : '',
    call: typeof on === 'string' ? on : null,
  };
}

/** For people and scripts. */
export async function viewOutage(store: Pick<Store, 'events'>, runId: string): Promise<OutageView | null> {
  const said = await lastOutage(store, runId);
  if (said === null) return null;
  const { kind, cause, sinceMs, lastMs } = said;
  const since = new Date(sinceMs).toISOString();
  return { kind, since, last: new Date(lastMs).toISOString(), cause, message: outageText(said) };
}

interface Noted {
  readonly kind: Outage['kind'];
  readonly atMs: number;
}

export class OutageKeeper {
  readonly #session: Session;
  /** Runs whose last word is an outage. */
  readonly #open = new Map<string, Noted>();
  readonly #loaded = new Set<string>();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Takes over what earlier processes have met, of each run once. */
  async load(runIds: readonly string[]): Promise<void> {
    const { engine, reach } = this.#session;
    const [nowMs, tickMs] = [engine.clock.now(), engine.clock.monotonicMs()];
    const here = (ms: number): number => tickMs - Math.max(0, nowMs - ms);
    let known: KnownOutage | null = null;
    for (const runId of runIds) {
      if (this.#loaded.has(runId)) continue;
      this.#loaded.add(runId);
      // Once a process, and however much has happened since: an outage that is not known is never told to be over.
      const said = await lastOutage(engine.store, runId, { limit: 1, kinds: KINDS });
      if (said === null) continue;
      this.#open.set(runId, { kind: said.kind, atMs: here(said.lastMs) });
      const outage = { ...said, sinceMs: here(said.sinceMs), lastMs: here(said.lastMs), call: callOf(said.call) };
      if (known === null || outage.sinceMs < known.sinceMs) known = outage;
    }
    if (known !== null) reach.resume(known);
  }

  async save(runIds: readonly string[]): Promise<void> {
    const { reach } = this.#session;
    // One that has come up since may have a word of its own.
    await this.load(runIds);
    if (reach.told !== null) await this.#note(reach.told, runIds);
    else if (!reach.isResumed) await this.#noteOver();
  }

  async #note(outage: Outage, runIds: readonly string[]): Promise<void> {
    const { engine, driver } = this.#session;
    const [nowMs, atMs] = [engine.clock.now(), engine.clock.monotonicMs()];
    const since = new Date(Math.round(nowMs - (atMs - outage.sinceMs))).toISOString();
    for (const runId of runIds) {
      const noted = this.#open.get(runId);
      if (noted?.kind === outage.kind && atMs - noted.atMs < AGAIN_MS) continue;
      const run = await engine.store.run(runId);
      if (!run || run.state === 'done') continue;
      const data = { since, cause: outage.cause, on: outage.call };
      if (outage.kind === 'silent') await driver.note(runId, SILENT_EVENT, nowMs, data);
      else await driver.note(runId, ERRORS_EVENT, nowMs, data);
      this.#open.set(runId, { kind: outage.kind, atMs });
    }
  }

  async #noteOver(): Promise<void> {
    const { engine, driver } = this.#session;
    for (const runId of this.#open.keys()) {
      await driver.note(runId, OVER_EVENT, engine.clock.now(), {});
      this.#open.delete(runId);
    }
  }
}

const CALLS: readonly ApiCall[] = ['create', 'list', 'retrieve', 'results', 'cancel', 'message'];

function callOf(text: string | null): ApiCall | null {
  return CALLS.find((call) => call === text) ?? null;
}
