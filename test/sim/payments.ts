/**
 * The judges of what was paid: whose each batch is they read from the run tag in its wire ids, not from what the engine
 * believes.
 */
import type { LedgerBatch } from '../../src/tools/sim/ledger.ts';
import { wirePlaceOf } from './lab.ts';
import { warmUpsOf } from './caching.ts';
import type { Machine } from './machine.ts';
import { mayAskAgain } from './schema-runs.ts';

interface Accepted {
  readonly batch: LedgerBatch;
  readonly outcome: string;
  readonly deviates: boolean;
}

/** No row is paid twice where nothing forced it. */
export function checkPayments(machine: Machine): void {
  const accepted = acceptedRows(machine);
  const executed = new Map<string, number>();
  let lost = 0;
  for (const message of machine.messages()) {
    if (!message.wasAnswered) lost++;
    if (mayAskAgain(machine, message.deviates)) continue;
    executed.set(message.paramsHash, (executed.get(message.paramsHash) ?? 0) + 1);
  }
  let repeats = 0;
  for (const [hash, times] of executed) {
    const inBatches = (accepted.get(hash) ?? []).filter(
      (one) =>
        one.outcome === 'succeeded' && !isJudgedNotMade(machine, one.batch) && !mayAskAgain(machine, one.deviates),
    ).length;
    repeats += Math.max(0, times + Math.min(1, inBatches) - 1);
  }
  const { counts, plan } = machine;
  // An end by a full disk or a lost lock is like a crash: the answers of calls under way cannot be committed.
  const ends = counts.crashes + counts.diskFullEnds + counts.takeovers;
  const allowed = lost + counts.timeouts + ends * plan.concurrency;
  if (repeats > allowed)
    machine.violation(`${repeats} rows were paid again in realtime; at most ${allowed} can be excused`);
  checkCallsAlone(machine, accepted);
  for (const batch of machine.lab.world.ledger.batches) {
    if (!batch.isForeign && machine.lab.ownerOf(batch) === null) machine.violation(`batch ${batch.id} is nobody's`);
  }
}

/** No row is called while a batch of it is under way, also not one that is being stopped: both may answer. */
function checkCallsAlone(machine: Machine, accepted: ReadonlyMap<string, readonly Accepted[]>): void {
  for (const { paramsHash, atMs, id } of machine.messages()) {
    for (const { batch } of accepted.get(paramsHash) ?? []) {
      if (atMs < batch.createdAtMs || atMs >= batch.endsAtMs || isJudgedNotMade(machine, batch)) continue;
      machine.violation(`a row was called as ${id} while ${batch.id} might still answer for it`);
    }
  }
}

/** Was it judged "not made" by a list that did not show it yet? Then its rows may go by another way, by design. */
function isJudgedNotMade(machine: Machine, batch: LedgerBatch): boolean {
  if (!machine.plan.troubles.lagsBeyondGrace) return false;
  const { tag, chunkNo } = wirePlaceOf(batch);
  return machine.notMade.some(
    ({ listedAtMs, ...judged }) =>
      judged.runId === `run_${tag}` &&
      judged.chunkNo === chunkNo &&
      (listedAtMs.get(batch.workspace) ?? -1) < batch.visibleAtMs,
  );
}

/** By the hash of its params: the batches that each row was accepted in, oldest first. */
function acceptedRows(machine: Machine): ReadonlyMap<string, readonly Accepted[]> {
  const accepted = new Map<string, Accepted[]>();
  const known = machine.requestHashes();
  for (const batch of machine.lab.batchesOf(machine)) {
    for (const { paramsHash, outcome, deviates } of batch.rows()) {
      if (!known.has(paramsHash)) machine.violation(`a request ${paramsHash} was sent that is no row of the input`);
      const earlier = accepted.get(paramsHash) ?? [];
      accepted.set(paramsHash, earlier);
      for (const one of earlier) {
        if (one.outcome !== 'succeeded' && one.outcome !== 'processing') continue;
        if (isExcused(machine, one.batch, batch)) continue;
        if (one.outcome === 'succeeded' && mayAskAgain(machine, one.deviates)) continue;
        machine.violation(`a row was accepted in ${batch.id} although it is ${one.outcome} in ${one.batch.id}`);
      }
      earlier.push({ batch, outcome, deviates });
    }
  }
  return accepted;
}

/**
 * The list may show a batch only after the grace: then a second one is made, by design (section 3.1 point 5). But not
 * while the list that "not made" was read from did show it.
 */
function isExcused(machine: Machine, earlier: LedgerBatch, later: LedgerBatch): boolean {
  if (!machine.plan.troubles.lagsBeyondGrace) return false;
  const { tag, chunkNo } = wirePlaceOf(earlier);
  return machine.notMade.some((judged) => {
    const listedAtMs = judged.listedAtMs.get(earlier.workspace) ?? -1;
    return (
      judged.runId === `run_${tag}` &&
      judged.chunkNo === chunkNo &&
      judged.atMs <= later.createdAtMs &&
      earlier.createdAtMs <= listedAtMs &&
      listedAtMs < earlier.visibleAtMs
    );
  });
}

/** Every batch of ours is in the ledger, and none of somebody else's was taken for ours. */
export async function checkFollowed(machine: Machine, runId: string): Promise<void> {
  const followed = new Set((await machine.store.batches(runId)).map((batch) => batch.id));
  for (const batch of machine.lab.world.ledger.batches) {
    const isOurs = machine.lab.ownerOf(batch) === machine;
    if (!isOurs && followed.has(batch.id)) machine.violation(`the foreign batch ${batch.id} was taken for ours`);
    if (!isOurs || followed.has(batch.id) || cameTooLate(machine, batch)) continue;
    machine.violation(`batch ${batch.id} (${batch.status}) is ours and paid, and the ledger does not know it`);
  }
}

/** Listings of a healed world in which a batch must have been seen, ended, before it counts as overlooked. */
const LOOKS_MIN = 3;

/** Never more batches open at once than --max-batches allows. */
export function checkCap(machine: Machine): void {
  const { maxBatches, troubles } = machine.plan;
  const batches = machine.lab.batchesOf(machine);
  for (const batch of batches) {
    const atMs = batch.createdAtMs;
    const open = batches.filter(
      (one) =>
        one.createdAtMs <= atMs &&
        one.endsAtMs > atMs &&
        !(troubles.lagsBeyondGrace && one !== batch && isUnknown(machine, one, atMs)),
    ).length;
    if (open > maxBatches) machine.violation(`${batch.id} made it ${open} open batches; the cap is ${maxBatches}`);
  }
}

/**
 * One that the list hides beyond the grace is not known to be there; and once it shows, nobody can tell whose it is before
 * it has ended and was read.
 */
function isUnknown(machine: Machine, batch: LedgerBatch, atMs: number): boolean {
  if (batch.visibleAtMs > atMs) return true;
  const { tag, chunkNo } = wirePlaceOf(batch);
  const isJudged = machine.notMade.some(
    (judged) => judged.runId === `run_${tag}` && judged.chunkNo === chunkNo && judged.atMs <= atMs,
  );
  // An answer may also have been lost with the process that got it: then the batch was found, and not told.
  const foundAtMs = machine.foundAtMs.get(batch.id) ?? (batch.wasAnswered ? -Infinity : Infinity);
  return isJudged && foundAtMs > atMs;
}

/** Did the list show it, ended, only when nobody looked any more? */
function cameTooLate(machine: Machine, batch: LedgerBatch): boolean {
  if (!machine.plan.troubles.lagsBeyondGrace) return false;
  const readableAtMs = Math.max(batch.visibleAtMs, batch.endsAtMs);
  const looks = machine.healedListings.filter((look) => look.workspace === batch.workspace);
  return looks.filter(({ atMs }) => atMs >= readableAtMs).length < LOOKS_MIN;
}

/** Of two batches of one chunk the one that is not used was stopped, unless it ended by itself before. */
export async function checkSpares(machine: Machine, runId: string): Promise<void> {
  const used = new Set((await machine.store.chunks(runId)).map((chunk) => chunk.batchId));
  const known = new Set((await machine.store.batches(runId)).map((batch) => batch.id));
  const doneAtMs = machine.doneAtMs ?? Infinity;
  for (const batch of machine.lab.batchesOf(machine)) {
    if (used.has(batch.id) || !known.has(batch.id) || batch.cancelAtMs !== undefined) continue;
    if (batch.endsAtMs > doneAtMs) machine.violation(`nobody uses batch ${batch.id}, and nobody stopped it`);
  }
}

/** What was used is what the API would bill; only answers that were lost on the way are missing. */
export async function checkUsage(machine: Machine, runId: string): Promise<void> {
  const usage = await machine.store.usage(runId);
  const sum = (lane: string): number =>
    usage.filter((entry) => entry.lane === lane).reduce((total, entry) => total + entry.outputTokens, 0);
  const used = new Set((await machine.store.chunks(runId)).map((chunk) => chunk.batchId));
  // What a second batch of one chunk cost is for `audit`: the usage of the run is that of its answers.
  const isCounted = (batch: LedgerBatch): boolean => !machine.plan.troubles.lagsBeyondGrace || used.has(batch.id);
  let inBatches = 0;
  for (const batch of machine.lab.batchesOf(machine)) {
    if (isCounted(batch)) for (const row of batch.rows()) inBatches += row.outputTokens;
  }
  if (sum('batch') !== inBatches) {
    machine.violation(`the batches used ${inBatches} output tokens; the ledger says ${sum('batch')}`);
  }
  const inCalls = [...machine.messages(), ...warmUpsOf(machine)].reduce(
    (total, message) => total + message.outputTokens,
    0,
  );
  if (sum('realtime') > inCalls) {
    machine.violation(`the calls used ${inCalls} output tokens; the ledger says ${sum('realtime')}`);
  }
}

/** How often each row was sent so far, in either lane, by the hash of its params. */
export function timesSent(machine: Machine): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  const add = (hash: string): void => void times.set(hash, (times.get(hash) ?? 0) + 1);
  for (const batch of machine.lab.batchesOf(machine)) for (const { paramsHash } of batch.rows()) add(paramsHash);
  for (const { paramsHash } of machine.messages()) add(paramsHash);
  return times;
}
