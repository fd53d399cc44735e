/**
 * What an open page is told, once a second and only where something is new: runs that have changed, who drives, limits,
 * the pace, events as they come, and what commands that the page has started say. All pages share one look at the ledger.
 */
import type { Clock } from '../../base/clock.ts';
import { BatchrunError } from '../../base/errors.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { WebFeed, WebMessage, WebReader } from '../../domain/web.ts';
import { viewRun } from '../../engine/views/status.ts';
import { Progress, type ProgressOptions } from '../progress/progress.ts';
import { rebuildPast } from '../progress/past.ts';
import { viewEvent, type ProgressView, type Sample } from '../progress/view.ts';
import { History } from '../progress/history.ts';
import type { ServeLedger, ServeState } from './state.ts';
import { summaryOf, type RunSummary } from './summary.ts';
import type { TaskView } from './tasks.ts';

export interface WatchOptions extends Pick<ProgressOptions, 'isDriving'> {
  readonly clock: Clock;
  readonly tasks: () => readonly TaskView[];
  /** Puts the state folder into commands that a hint names. */
  readonly complete: (text: string) => string;
  /** Names this start of the server: a page that meets another one after a cut begins anew. */
  readonly start: string;
}

/** Pages that ask at the same moment get the same look. */
const LOOK_MS = 500;
const EVENTS_FIRST = 50;
const EVENTS_AT_ONCE = 500;
/** A page that was away for longer than so many events begins anew. */
const EVENTS_BEHIND_MAX = 5_000;
/** Of the runs that are done, the newest: a state of a year of nightly runs would be more than a reader can take. */
const DONE_MAX = 200;

export class Watch {
  readonly #state: ServeState;
  readonly #options: WatchOptions;
  readonly #rebuilt = new Set<string>();
  #ledgers = 0;
  #progress: Seen | undefined;
  #look: { readonly atMs: number; readonly view: Promise<ProgressView | null> } | undefined;

  constructor(state: ServeState, options: WatchOptions) {
    this.#state = state;
    this.#options = options;
  }

  /** Null while there is no ledger. */
  look(): Promise<ProgressView | null> {
    const atMs = this.#options.clock.monotonicMs();
    if (!this.#look || atMs - this.#look.atMs > LOOK_MS) this.#look = { atMs, view: this.#read() };
    return this.#look.view;
  }

  /** What was seen of a run, with what the ledger tells of the time before. */
  async history(ledger: ServeLedger, record: RunRecord): Promise<History> {
    const run = (await this.look())?.runs.find(({ id }) => id === record.id);
    const model = this.#progress?.model;
    // One that is not shown in the list was not looked at: all of it is past.
    if (!run || !model) return new History(await rebuildPast(ledger, await viewRun(ledger, record)));
    const history = model.history(run.id);
    if (!this.#rebuilt.has(run.id)) {
      this.#rebuilt.add(run.id);
      history.prepend(await rebuildPast(ledger, run));
    }
    return history;
  }

  feed(path: string): WebFeed {
    return { path, access: 'open', begin: (reader) => this.#begin(reader) };
  }

  async #read(): Promise<ProgressView | null> {
    const ledger = await this.#state.ledger();
    if (!ledger) return null;
    if (this.#progress?.ledger !== ledger) {
      const start = this.#progress ? `${this.#options.start}.${++this.#ledgers}` : this.#options.start;
      this.#progress = { ledger, start, model: new Progress(ledger, { select: shown, ...this.#options }) };
      this.#rebuilt.clear();
    }
    return this.#progress.model.read();
  }

  #begin(reader: WebReader): () => Promise<readonly WebMessage[]> {
    const teller = new Teller(reader, this.#options.complete);
    return async () => {
      try {
        return await this.#news(teller);
      } catch (error) {
        // A ledger that is locked, damaged or gone: the page says so, and the next turn looks again.
        if (error instanceof BatchrunError) return teller.trouble(error);
        throw error;
      }
    };
  }

  async #news(teller: Teller): Promise<WebMessage[]> {
    const view = await this.look();
    const messages = teller.hello(this.#progress?.start ?? this.#options.start);
    const ledger = this.#progress?.ledger;
    messages.push(...teller.progress(view), ...teller.tasks(this.#options.tasks()));
    if (!view || !ledger) return messages;
    const run = view.runs.find(({ id }) => id === teller.run);
    const sample = run && this.#progress?.model.history(run.id).samples.at(-1);
    messages.push(...teller.sample(sample), ...(await teller.events(ledger, view)));
    return messages;
  }
}

interface Seen {
  readonly ledger: ServeLedger;
  readonly model: Progress;
  /** Named anew for every ledger that comes in the place of another. */
  readonly start: string;
}

function shown(runs: readonly RunRecord[]): readonly RunRecord[] {
  const done = runs.filter(({ state }) => state === 'done');
  const hidden = new Set(done.slice(0, -DONE_MAX));
  return hidden.size === 0 ? runs : runs.filter((run) => !hidden.has(run));
}

/** What one page has been told. */
class Teller {
  readonly run: string | null;
  readonly #isAuthorized: boolean;
  readonly #complete: (text: string) => string;
  readonly #runs = new Map<string, RunSummary>();
  readonly #texts = new Map<string, string>();
  readonly #cutAt: string | null;
  #start = '';
  #lastId: number | null = null;
  #sample: Sample | undefined;
  #hasTold = false;

  constructor({ query, lastId, isAuthorized }: WebReader, complete: (text: string) => string) {
    this.#complete = complete;
    this.run = query.get('run');
    this.#cutAt = lastId;
    this.#isAuthorized = isAuthorized;
  }

  /**
   * Begins anew where it is another start of the server, or another ledger in the place of the one before, also where
   * that came while the page was away: numbers of events begin again in each ledger.
   */
  hello(start: string): WebMessage[] {
    if (start === this.#start) return [];
    this.#start = start;
    this.#lastId = eventIn(start, this.#cutAt);
    return [{ event: 'hello', value: { start } }];
  }

  /** Once, until the state can be looked at again. */
  trouble({ message, hint }: BatchrunError): WebMessage[] {
    const value = { message, hint: this.#complete(hint) };
    if (!('trouble' in this.#news('trouble', value))) return [];
    // What comes next is told even where nothing has changed: it says that this is over.
    this.#hasTold = false;
    return [{ event: 'trouble', value }];
  }

  progress(view: ProgressView | null): WebMessage[] {
    const summaries = (view?.runs ?? []).map((run) => summaryOf(run, this.#complete));
    const changed = summaries.filter((summary) => this.#runs.get(summary.id) !== summary);
    for (const summary of changed) this.#runs.set(summary.id, summary);
    const parts = {
      ...this.#news(
        'order',
        summaries.map(({ id }) => id),
      ),
      ...this.#news('driver', view?.driver ?? null),
      ...this.#news('limits', view?.limits ?? []),
      ...this.#news('pace', view?.pace ?? {}),
      ...this.#news('hidden', view?.hidden_runs ?? 0),
    };
    if (this.#hasTold && changed.length === 0 && Object.keys(parts).length === 0) return [];
    this.#hasTold = true;
    this.#texts.delete('trouble');
    return [{ event: 'progress', value: { at: view?.at ?? null, runs: changed, ...parts } }];
  }

  /** What commands say may name files and rows: only with the token. */
  tasks(tasks: readonly TaskView[]): WebMessage[] {
    const shown = this.#isAuthorized ? tasks : [];
    return 'tasks' in this.#news('tasks', shown) ? [{ event: 'tasks', value: { tasks: shown } }] : [];
  }

  sample(sample: Sample | undefined): WebMessage[] {
    if (!sample || sample === this.#sample) return [];
    this.#sample = sample;
    return [{ event: 'sample', value: { run: this.run, ...sample } }];
  }

  async events(ledger: ServeLedger, view: ProgressView): Promise<WebMessage[]> {
    const newest = view.events.at(-1)?.id ?? 0;
    const messages: WebMessage[] = [];
    if (this.#lastId !== null && newest - this.#lastId > EVENTS_BEHIND_MAX) {
      this.#lastId = null;
      messages.push({ event: 'gap', value: {}, id: this.#place(newest) });
    }
    const isFirst = this.#lastId === null;
    if (this.#lastId !== null && newest <= this.#lastId) return [];
    const found = await ledger.events(this.run, {
      limit: isFirst ? EVENTS_FIRST : EVENTS_AT_ONCE,
      newest: isFirst,
      ...(this.#lastId === null ? {} : { afterId: this.#lastId }),
    });
    // Where there is more, the next turn goes on behind the last one.
    const last = found.at(-1)?.id ?? 0;
    this.#lastId = found.length === EVENTS_AT_ONCE ? last : Math.max(last, newest);
    if (found.length === 0) return messages;
    const value = { events: found.map(viewEvent), first: isFirst };
    return [...messages, { event: 'log', value, id: this.#place(this.#lastId) }];
  }

  #place(eventId: number): string {
    return `${this.#start}:${eventId}`;
  }

  #news(name: string, value: unknown): Record<string, unknown> {
    const text = JSON.stringify(value);
    if (this.#texts.get(name) === text) return {};
    this.#texts.set(name, text);
    return { [name]: value };
  }
}

/** The event after which a reader goes on; null where it was cut off from another start. */
function eventIn(start: string, place: string | null): number | null {
  const [, before, eventId] = /^(.+):(\d{1,15})$/.exec(place ?? '') ?? [];
  return before === start ? Number(eventId) : null;
}
