/**
 * What really happened, as the API would bill it: the witness that tests question.
 *
 * The client never sees it. It lists every batch made (also those whose answer was lost) and every message executed,
 * counts calls and refusals, and keeps the highest load there was. `tokens()` sums what was used, by lane.
 */
import { endsAtMs, outcomeOf, statusOf, type BatchStatus, type BatchView, type SimBatch } from './batch.ts';
import type { InputUse } from './prompt-cache.ts';
import { createRateBook, type LedgerLoad, type LedgerRates, type RateBook } from './rate-ledger.ts';

export interface LedgerBatch {
  readonly id: string;
  readonly organization: string;
  readonly workspace: string;
  readonly createdAtMs: number;
  readonly endsAtMs: number;
  /** Before it, list and retrieve do not show the batch. */
  readonly visibleAtMs: number;
  /** When somebody asked for its end. */
  readonly cancelAtMs: number | undefined;
  readonly status: BatchStatus;
  readonly rowCount: number;
  /** Made by addForeignBatch: somebody else's. */
  readonly isForeign: boolean;
  /** Did the client get the answer of its create? */
  readonly wasAnswered: boolean;
  readonly isDeleted: boolean;
  customIds(): Iterable<string>;
  /** Outcomes are known once the batch has ended; before, they are 'processing'. */
  rows(): Iterable<LedgerRow>;
}

export interface LedgerRow {
  readonly customId: string;
  readonly model: string;
  readonly paramsHash: string;
  readonly outcome: 'processing' | 'succeeded' | 'errored' | 'canceled' | 'expired';
  /** Billed where it succeeded. */
  readonly input: InputUse;
  /** What is billed for it: 0 unless it succeeded. */
  readonly outputTokens: number;
  /** Its answer does not follow the schema that was asked for. */
  readonly deviates: boolean;
}

export interface LedgerMessage {
  readonly id: string;
  readonly organization: string;
  readonly workspace: string;
  readonly model: string;
  readonly paramsHash: string;
  readonly atMs: number;
  readonly input: InputUse;
  readonly outputTokens: number;
  /** False where a fault swallowed the answer. */
  readonly wasAnswered: boolean;
  /** Its answer does not follow the schema that was asked for. */
  readonly deviates: boolean;
}

export interface TokenTotals {
  readonly input: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly cacheRead: number;
  readonly output: number;
}

/** What really happened: never seen by the client, only by tests. */
export interface SimLedger {
  /** In the order in which they were made. */
  readonly batches: readonly LedgerBatch[];
  readonly messages: readonly LedgerMessage[];
  /** Calls by endpoint: 'batches.create', 'batches.list', 'messages.create', … */
  readonly calls: ReadonlyMap<string, number>;
  /** Answers that were not 2xx, by `<status> <type>`. */
  readonly refusals: ReadonlyMap<string, number>;
  readonly peakBatches: number;
  readonly peakQueued: number;
  /** By `<organization>|<class>`. */
  readonly rates: ReadonlyMap<string, LedgerRates>;
  /** By organization. */
  readonly loads: ReadonlyMap<string, LedgerLoad>;
  /** What was used and would be billed: succeeded rows of ended batches, and messages. Foreign batches are left out. */
  tokens(): { readonly batch: TokenTotals; readonly realtime: TokenTotals };
}

export interface LedgerBook extends SimLedger {
  noteBatch(batch: SimBatch): void;
  noteMessage(message: LedgerMessage): void;
  noteCall(endpoint: string): void;
  noteRefusal(status: number, type: string): void;
  noteLoad(load: { readonly batches: number; readonly queued: number }): void;
  readonly rateBook: RateBook;
}

export function createLedger(view: BatchView): LedgerBook {
  const made: SimBatch[] = [];
  const batches: LedgerBatch[] = [];
  const messages: LedgerMessage[] = [];
  const calls = new Map<string, number>();
  const refusals = new Map<string, number>();
  const peak = { batches: 0, queued: 0 };
  const rateBook = createRateBook();
  const bump = (map: Map<string, number>, name: string): void => void map.set(name, (map.get(name) ?? 0) + 1);

  return {
    batches,
    messages,
    calls,
    refusals,
    rateBook,
    rates: rateBook.rates,
    loads: rateBook.loads,
    get peakBatches() {
      return peak.batches;
    },
    get peakQueued() {
      return peak.queued;
    },
    tokens: () => ({ batch: batchTokens(view, made), realtime: messageTokens(messages) }),
    noteBatch(batch) {
      made.push(batch);
      batches.push(ledgerBatch(view, batch));
    },
    noteMessage: (message) => void messages.push(message),
    noteCall: (endpoint) => bump(calls, endpoint),
    noteRefusal: (status, type) => bump(refusals, `${status} ${type}`),
    noteLoad(load) {
      peak.batches = Math.max(peak.batches, load.batches);
      peak.queued = Math.max(peak.queued, load.queued);
    },
  };
}

function ledgerBatch(view: BatchView, batch: SimBatch): LedgerBatch {
  const { id, organization, workspace, createdAtMs, visibleAtMs, isForeign } = batch;
  return {
    ...{ id, organization, workspace, createdAtMs, visibleAtMs, isForeign },
    rowCount: batch.rows.length,
    get endsAtMs() {
      return endsAtMs(view, batch);
    },
    get cancelAtMs() {
      return batch.cancelAtMs;
    },
    get status() {
      return statusOf(view, batch);
    },
    get wasAnswered() {
      return batch.wasAnswered;
    },
    get isDeleted() {
      return batch.isDeleted;
    },
    *customIds() {
      for (const row of batch.rows) yield row.customId;
    },
    *rows() {
      const isEnded = statusOf(view, batch) === 'ended';
      for (const row of batch.rows) {
        const outcome = isEnded ? outcomeOf(view, batch, row) : undefined;
        const outputTokens = outcome?.type === 'succeeded' ? outcome.answer.outputTokens : 0;
        const { customId, model, paramsHash, input } = row;
        const deviates = outcome?.type === 'succeeded' && outcome.answer.deviates === true;
        yield { customId, model, paramsHash, outcome: outcome?.type ?? 'processing', input, outputTokens, deviates };
      }
    },
  };
}

type Totals = { -readonly [Name in keyof TokenTotals]: number };

function addUse(totals: Totals, input: InputUse, outputTokens: number): void {
  totals.input += input.plain;
  totals.cacheWrite5m += input.write5m;
  totals.cacheWrite1h += input.write1h;
  totals.cacheRead += input.read;
  totals.output += outputTokens;
}

function noTokens(): Totals {
  return { input: 0, cacheWrite5m: 0, cacheWrite1h: 0, cacheRead: 0, output: 0 };
}

function batchTokens(view: BatchView, batches: readonly SimBatch[]): TokenTotals {
  const totals = noTokens();
  for (const batch of batches) {
    if (batch.isForeign || statusOf(view, batch) !== 'ended') continue;
    for (const row of batch.rows) {
      const outcome = outcomeOf(view, batch, row);
      if (outcome.type === 'succeeded') addUse(totals, row.input, outcome.answer.outputTokens);
    }
  }
  return totals;
}

function messageTokens(messages: readonly LedgerMessage[]): TokenTotals {
  const totals = noTokens();
  for (const message of messages) addUse(totals, message.input, message.outputTokens);
  return totals;
}
