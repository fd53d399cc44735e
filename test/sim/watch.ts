/**
 * The eye on the wire: a `fetch` into the simulated world that notes every call, keeps the time limits of Node's fetch on
 * the virtual clock, and holds each process to `retry-after` and to its concurrency by the true time: a machine's clock
 * that is wrong excuses nothing. (The cap of open batches is judged in payments.ts, by what was made.)
 */
import { createHash } from 'node:crypto';
import type { VirtualClock } from '../../src/base/virtual-clock.ts';
import { simFetch } from '../../src/tools/sim/fetch.ts';
import type { Machine } from './machine.ts';
import { takenKeys } from './sim-keys.ts';

/** undici gives up when no header has come for this long. */
const HEADERS_TIMEOUT_MS = 300_000;

/** What sends rows. */
const SENDING: ReadonlySet<string> = new Set(['POST /v1/messages', 'POST /v1/messages/batches']);

/** What happened, in order: its hash tells whether two runs of a seed were the same. */
export class EventLog {
  readonly #hash = createHash('sha256');
  readonly #kept: string[] = [];
  readonly #keep: boolean;
  lines = 0;

  constructor(keep = false) {
    this.#keep = keep;
  }

  add(atMs: number, what: string): void {
    const line = `${atMs} ${what}\n`;
    this.#hash.update(line);
    this.lines++;
    if (this.#keep) this.#kept.push(line);
  }

  get text(): string {
    return this.#kept.join('');
  }

  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

/** What one process asked, and what it was told about waiting: that dies with it. */
export class CallWatch {
  readonly machine: Machine;
  /** When the world answered the last whole look at the list, by workspace. */
  readonly listedAtMs = new Map<string, number>();
  /** A call that was on its way when a 429 came in (its request is being read from the disk) may still leave. */
  readonly #underWayMs: number;
  readonly #notBeforeMs = new Map<string, { readonly saidAtMs: number; readonly untilMs: number }>();
  #messages = 0;
  /** Since when this process knows that its pilot was refused. */
  #refusedAtMs = Infinity;

  constructor(machine: Machine, underWayMs: number) {
    this.machine = machine;
    this.#underWayMs = underWayMs;
  }

  begins(kind: string, nowMs: number, organization: string): void {
    const { machine } = this;
    machine.counts.requests++;
    this.log(`-> ${kind}`);
    const limit = this.#notBeforeMs.get(`${organization} ${kind}`);
    if (limit && nowMs < limit.untilMs && nowMs > limit.saidAtMs + this.#underWayMs) {
      machine.violation(`${kind} left ${limit.untilMs - nowMs} ms before the retry-after was over`);
    }
    const isLate = nowMs > this.#refusedAtMs + this.#underWayMs && machine.pilotLetGoAtMs === null;
    if (isLate && SENDING.has(kind)) machine.violation(`${kind} left although the pilot was refused`);
    if (kind !== 'POST /v1/messages') return;
    this.#messages++;
    const { concurrency } = machine.plan;
    if (this.#messages > concurrency) {
      machine.violation(`${this.#messages} calls were under way at once; --concurrency is ${concurrency}`);
    }
  }

  answered(kind: string, search: string, response: Response): void {
    const nowMs = this.machine.lab.clock.now();
    this.log(`<- ${kind} ${response.status}`);
    if (response.status >= 500) this.lost(kind);
    const isRefusal = kind === 'POST /v1/messages' && response.status === 400;
    if (isRefusal && this.machine.plan.troubles.pilot !== null) this.#refusedAtMs = Math.min(this.#refusedAtMs, nowMs);
    if (response.status === 429) this.machine.onMoment?.('answer.429');
    const seconds = response.headers.get('retry-after');
    if (response.status === 429 && seconds !== null) {
      const untilMs = nowMs + Number(seconds) * 1_000;
      const whose = `${response.headers.get('anthropic-organization-id')} ${kind}`;
      const before = this.#notBeforeMs.get(whose);
      if (!before || before.untilMs < untilMs) this.#notBeforeMs.set(whose, { saidAtMs: nowMs, untilMs });
    }
    // A look for the newest batch alone is no look at the list.
    const isLook = kind === 'GET /v1/messages/batches' && new URLSearchParams(search).get('limit') !== '1';
    if (isLook && response.status === 200) {
      const workspace = response.headers.get('anthropic-workspace-id') ?? '';
      this.listedAtMs.set(workspace, nowMs);
      if (this.machine.lab.isHealed) this.machine.healedListings.push({ atMs: nowMs, workspace });
    }
  }

  lost(kind: string): void {
    if (kind === 'POST /v1/messages/batches') this.machine.onMoment?.('create.lost');
  }

  ended(kind: string): void {
    if (kind === 'POST /v1/messages') this.#messages--;
  }

  log(text: string): void {
    const { lab, name } = this.machine;
    lab.log.add(lab.clock.now(), name === '' ? text : `${name} ${text}`);
  }
}

/** One process's way to the API, with one of its keys. */
export function watchedFetch(watch: CallWatch, key: string): typeof fetch {
  const { machine } = watch;
  const { clock, world, plan } = machine.lab;
  // Limits are an organization's: another key of it has to wait as well.
  const { organization = '' } = takenKeys(plan.troubles.keys)[key] ?? {};
  const inner = simFetch(world);
  return async (input, init) => {
    const method = init?.method?.toUpperCase() ?? 'GET';
    const { pathname, search } = new URL(input instanceof Request ? input.url : String(input));
    const kind = `${method} ${pathname}`;
    watch.begins(kind, clock.now(), organization);
    const answered = new AbortController();
    try {
      const response = await Promise.race([inner(input, init), timeLimit(clock, answered.signal)]);
      watch.answered(kind, search, response);
      return response;
    } catch (error) {
      if (error instanceof HeadersTimeout) machine.counts.timeouts++;
      watch.log(`<- ${kind} ${String(error)}`);
      watch.lost(kind);
      throw error;
    } finally {
      watch.ended(kind);
      answered.abort();
    }
  };
}

class HeadersTimeout extends TypeError {
  constructor() {
    const cause = Object.assign(new Error('Headers Timeout Error'), { code: 'UND_ERR_HEADERS_TIMEOUT' });
    super('fetch failed', { cause });
  }
}

async function timeLimit(clock: VirtualClock, answered: AbortSignal): Promise<never> {
  await clock.sleep(HEADERS_TIMEOUT_MS, answered);
  if (answered.aborted) return new Promise<never>(() => undefined);
  throw new HeadersTimeout();
}
