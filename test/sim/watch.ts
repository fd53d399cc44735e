/**
 * The eye on the wire: a `fetch` into the simulated world that notes every call, keeps the time limits of Node's fetch on
 * the virtual clock, and holds the client to `retry-after` and to its cap of open batches.
 */
import { createHash } from 'node:crypto';
import type { VirtualClock } from '../../src/base/virtual-clock.ts';
import { simFetch } from '../../src/tools/sim/fetch.ts';
import type { SimWorld } from '../../src/tools/sim/world.ts';

/** undici gives up when no header has come for this long. */
const HEADERS_TIMEOUT_MS = 300_000;
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

export interface WatchParts {
  readonly world: SimWorld;
  readonly clock: VirtualClock;
  readonly log: EventLog;
  readonly maxBatches: number;
  /** A call that was on its way when a 429 came in (its request is being read from the disk) may still leave. */
  readonly underWayMs: number;
  readonly violation: (text: string) => void;
  readonly counts: { timeouts: number; requests: number };
}

/** One process's way to the API: what it was told about waiting dies with it. */
export function watchedFetch(parts: WatchParts): typeof fetch {
  const { world, clock, log, violation, counts } = parts;
  const inner = simFetch(world);
  const notBeforeMs = new Map<string, { readonly saidAtMs: number; readonly untilMs: number }>();
  return async (input, init) => {
    const method = init?.method?.toUpperCase() ?? 'GET';
    const { pathname } = new URL(input instanceof Request ? input.url : String(input));
    const kind = `${method} ${pathname}`;
    const startedAtMs = clock.now();
    counts.requests++;
    log.add(startedAtMs, `-> ${kind}`);
    const limit = notBeforeMs.get(kind);
    if (limit && startedAtMs < limit.untilMs && startedAtMs > limit.saidAtMs + parts.underWayMs) {
      violation(`${kind} left ${limit.untilMs - startedAtMs} ms before the retry-after was over`);
    }
    if (kind === 'POST /v1/messages/batches') checkCap(parts);
    const answered = new AbortController();
    try {
      const response = await Promise.race([inner(input, init), timeLimit(clock, answered.signal)]);
      log.add(clock.now(), `<- ${kind} ${response.status}`);
      const seconds = response.headers.get('retry-after');
      if (response.status === 429 && seconds !== null) {
        const untilMs = clock.now() + Number(seconds) * 1_000;
        const before = notBeforeMs.get(kind);
        if (!before || before.untilMs < untilMs) notBeforeMs.set(kind, { saidAtMs: clock.now(), untilMs });
      }
      return response;
    } catch (error) {
      if (error instanceof HeadersTimeout) counts.timeouts++;
      log.add(clock.now(), `<- ${kind} ${String(error)}`);
      throw error;
    } finally {
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

function checkCap({ world, maxBatches, violation }: WatchParts): void {
  let open = 0;
  for (const batch of world.ledger.batches) if (!batch.isForeign && batch.status !== 'ended') open++;
  if (open >= maxBatches) violation(`a batch was sent while ${open} were open; the cap is ${maxBatches}`);
}
