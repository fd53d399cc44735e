/**
 * What the simulator was asked for, row by row and in the order of time: was anything sent again without need? For loops
 * of real processes; the simulation has checkers of its own (test/sim/checkers.ts).
 */
import type { LedgerBatch, LedgerMessage, LedgerRow } from '../../src/tools/sim/ledger.ts';

/** A process that ended without a chance to keep the answers of its calls under way. */
export interface HardEnd {
  readonly ended: string;
  /** The next process makes its first call then: what was called before is the dead one's. */
  untilMs: number;
}

/** What is asked of the simulator's ledger. */
export interface PaymentLedger {
  readonly batches: readonly (Pick<LedgerBatch, 'id' | 'createdAtMs' | 'endsAtMs'> & {
    rows(): Iterable<Pick<LedgerRow, 'paramsHash' | 'outcome'>>;
  })[];
  readonly messages: readonly Pick<LedgerMessage, 'id' | 'atMs' | 'paramsHash' | 'wasAnswered'>[];
}

/** A row was taken into a batch, or called in the realtime lane. */
type Payment =
  | {
      readonly kind: 'batch';
      readonly atMs: number;
      readonly id: string;
      readonly endsAtMs: number;
      readonly outcome: string;
    }
  | { readonly kind: 'call'; readonly atMs: number; readonly id: string; readonly wasAnswered: boolean };

/**
 * Sentences about rows that were sent again without need. A batch that gave nothing is a need, and so is an answer that
 * the API lost. A hard end is one for as many calls as were under way: at most `concurrency`.
 *
 * `endsOf` gives the hard ends of the processes that drove this row, in their order; undefined: it is nobody's row.
 */
export function paidAgain(
  ledger: PaymentLedger,
  concurrency: number,
  endsOf: (paramsHash: string) => readonly HardEnd[] | undefined,
): string[] {
  const found: string[] = [];
  const excused = new Map<HardEnd, number>();
  for (const [hash, payments] of paymentsOf(ledger)) {
    const ends = endsOf(hash);
    if (!ends) {
      found.push(`request ${hash} was sent, and it is no row of any input`);
      continue;
    }
    payments.sort((one, other) => one.atMs - other.atMs);
    for (const [at, later] of payments.entries()) {
      const earlier = payments[at - 1];
      if (!earlier) continue;
      const end = endBetween(ends, earlier, later);
      if (earlier.kind === 'call' && earlier.wasAnswered && end) excused.set(end, (excused.get(end) ?? 0) + 1);
      const problem = needless(earlier, later, end);
      if (problem !== null) found.push(`row ${hash} was sent as ${later.id}, and ${problem} ${earlier.id}`);
    }
  }
  for (const [{ ended }, rows] of excused) {
    if (rows > concurrency) found.push(`${rows} calls were made again after ${ended}`);
  }
  return found;
}

/** The hard end that the earlier payment was under way at, if the later one came after it. */
function endBetween(ends: readonly HardEnd[], earlier: Payment, later: Payment): HardEnd | undefined {
  const end = ends.find(({ untilMs }) => untilMs > earlier.atMs);
  return end && end.untilMs <= later.atMs ? end : undefined;
}

function needless(earlier: Payment, later: Payment, end: HardEnd | undefined): string | null {
  if (earlier.kind === 'call') return earlier.wasAnswered && !end ? 'nobody had died since' : null;
  if (earlier.outcome === 'succeeded' || earlier.outcome === 'processing') return `it is ${earlier.outcome} in`;
  return earlier.endsAtMs > later.atMs ? 'the API was still at it in' : null;
}

function paymentsOf(ledger: PaymentLedger): Map<string, Payment[]> {
  const payments = new Map<string, Payment[]>();
  const note = (hash: string, payment: Payment): void => {
    const before = payments.get(hash);
    if (before) before.push(payment);
    else payments.set(hash, [payment]);
  };
  for (const batch of ledger.batches) {
    const { id, createdAtMs: atMs, endsAtMs } = batch;
    for (const { paramsHash, outcome } of batch.rows())
      note(paramsHash, { kind: 'batch', atMs, id, endsAtMs, outcome });
  }
  for (const { id, atMs, paramsHash, wasAnswered } of ledger.messages) {
    note(paramsHash, { kind: 'call', atMs, id, wasAnswered });
  }
  return payments;
}
