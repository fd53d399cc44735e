/**
 * What happens to a run, for whoever iterates over it. The engine never waits for a reader: what tells how far things are
 * comes together into one event, and of what happened the oldest is left out, and counted, where a reader is too slow.
 */
import type { RowState } from '../domain/model.ts';
import type { EngineEvent } from '../engine/events.ts';
import { libraryDetails, libraryError } from './words.ts';

/** Kinds of events that say what happened. Kinds may be added, and an event may get more fields; none goes away. */
export const RUN_EVENT_KINDS = [
  'upload.started',
  'upload.done',
  'upload.waits',
  'upload.uncertain',
  'chunk.split',
  'reconcile.found',
  'reconcile.not_made',
  'batch.ended',
  'chunk.lost',
  'batch.disproved',
  'chunk.released',
  'pilot.passed',
  'batch.hurried',
  'deadline.late',
  'batch.canceled',
  'collect.refetch',
  'chunk.collected',
  'retry.chunk',
  'cache.warm',
  'cache.cold',
  'lane.limited',
  'lane.paused',
  'api.unreachable',
  'api.errors',
  'api.answers',
  'blocked',
  'key.aside',
  'output.written',
  'run.done',
] as const satisfies readonly EngineEvent['kind'][];

/** How far the run is: rows by their state. Comes first, and again when something has changed and you ask for more. */
export interface ProgressEvent {
  readonly kind: 'progress';
  readonly runId: string;
  readonly rows: Readonly<Record<RowState | 'total', number>>;
}

/** You were slower than the run: so many events were left out. The state itself is always whole: `status()`. */
export interface DroppedEvent {
  readonly kind: 'events.dropped';
  readonly runId: string;
  readonly count: number;
}

/** Something that happened; the kind says what, and which fields it has. */
export type HappeningEvent = Extract<EngineEvent, { readonly kind: (typeof RUN_EVENT_KINDS)[number] }>;

/** What `run.events()` gives: told apart by `kind`. */
export type RunEvent = ProgressEvent | DroppedEvent | HappeningEvent;

type Listener = (event: EngineEvent) => void;

/** Hands what the engine tells to all who listen. */
export class EventHub {
  readonly #listeners = new Set<Listener>();

  get listenerCount(): number {
    return this.#listeners.size;
  }

  readonly emit = (event: EngineEvent): void => {
    for (const listener of this.#listeners) listener(event);
  };

  /** Gives what ends it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

export interface FeedParts {
  readonly hub: EventHub;
  readonly runId: string;
  /** Rows of the run as they are now. */
  readonly rows: () => Promise<ProgressEvent['rows']>;
  /** Drives the run: resolves when it is done, and rejects with what keeps it from that. */
  readonly ended: () => Promise<unknown>;
}

/** Events of one reader that wait for it. */
export const WAITING_EVENTS_MAX = 1_000;

const HAPPENINGS: ReadonlySet<string> = new Set(RUN_EVENT_KINDS);

/**
 * One reader's events, from the moment on in which the first is asked for. One that is made and never asked listens to
 * nothing and holds nothing.
 */
export class EventFeed implements AsyncIterableIterator<RunEvent> {
  readonly #parts: FeedParts;
  readonly #waiting: HappeningEvent[] = [];
  /** Ends the listening; undefined before it has begun. */
  #stop: (() => void) | undefined;
  #dropped = 0;
  #hasProgress = true;
  /** The progress that was told last. */
  #said = '';
  #end: { readonly error: unknown } | 'done' | null = null;
  #over = false;
  #sleepers: (() => void)[] = [];

  constructor(parts: FeedParts) {
    this.#parts = parts;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<RunEvent, undefined>> {
    this.#begin();
    try {
      return await this.#next();
    } catch (error) {
      // A loop that ends by an error of ours does not call `return`.
      await this.return();
      throw error;
    }
  }

  #begin(): void {
    if (this.#stop || this.#over) return;
    const { hub, ended } = this.#parts;
    this.#stop = hub.listen((event) => this.#take(event));
    ended().then(
      () => this.#finish('done'),
      (error: unknown) => this.#finish({ error }),
    );
  }

  async #next(): Promise<IteratorResult<RunEvent, undefined>> {
    const { runId, rows } = this.#parts;
    while (!this.#over) {
      if (this.#dropped > 0) {
        const count = this.#dropped;
        this.#dropped = 0;
        return { done: false, value: { kind: 'events.dropped', runId, count } };
      }
      const next = this.#waiting.shift();
      if (next) return { done: false, value: libraryDetails(next) };
      if (this.#hasProgress) {
        this.#hasProgress = false;
        const now = await rows();
        const text = JSON.stringify(now);
        if (text === this.#said) continue;
        this.#said = text;
        return { done: false, value: { kind: 'progress', runId, rows: now } };
      }
      if (this.#end === 'done') {
        await this.return();
        return { done: false, value: { kind: 'run.done', runId } };
      }
      if (this.#end) throw libraryError(this.#end.error);
      await new Promise<void>((resolve) => this.#sleepers.push(resolve));
    }
    return { done: true, value: undefined };
  }

  /** What `break` calls: the run goes on. */
  return(): Promise<IteratorResult<RunEvent, undefined>> {
    this.#over = true;
    this.#stop?.();
    this.#waiting.length = 0;
    this.#wake();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** All that have asked: more than one event may be asked for at once. */
  #wake(): void {
    for (const wake of this.#sleepers.splice(0)) wake();
  }

  #take(event: EngineEvent): void {
    if ('runId' in event && event.runId !== this.#parts.runId) return;
    // Said last of all, when everything that was to be told has been.
    if (event.kind === 'run.done') return;
    if (isHappening(event)) {
      if (this.#waiting.length >= WAITING_EVENTS_MAX) {
        this.#waiting.shift();
        this.#dropped++;
      }
      this.#waiting.push(event);
    }
    this.#hasProgress = true;
    this.#wake();
  }

  #finish(end: { readonly error: unknown } | 'done'): void {
    this.#end = end;
    this.#hasProgress = true;
    // Nothing more comes of it: whoever has stopped to read without a `return` is not listened for until the end.
    this.#stop?.();
    this.#wake();
  }
}

function isHappening(event: EngineEvent): event is HappeningEvent {
  return HAPPENINGS.has(event.kind);
}
