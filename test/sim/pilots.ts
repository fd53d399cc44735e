/**
 * The judge of pilots: what was sent when, by the world's own record. Before the last row of a pilot was answered nothing
 * else of its run is sent, and after a refusal nothing at all until somebody says so.
 */
import { paramsHashOf } from '../../src/tools/sim/prompt.ts';
import { outputLines } from './checkers.ts';
import type { Machine } from './machine.ts';
import { pilotRows, variantsOf } from './plan.ts';

/** At the first end of the run: what `batchrun retry` sends later is another matter. */
export function checkPilot(machine: Machine): void {
  const { plan } = machine;
  if (plan.troubles.pilot === null || machine.generation > 0) return;
  const own = new Set(pilotRows(plan).flatMap((at) => hashesOf(machine, at)));
  const untilMs = machine.pilotLetGoAtMs ?? Infinity;
  const calls = machine.messages().map(({ paramsHash, atMs }) => ({ paramsHash, atMs, what: 'a call' }));
  const batches = machine.lab
    .batchesOf(machine)
    .flatMap((batch) =>
      [...batch.rows()].map(({ paramsHash }) => ({ paramsHash, atMs: batch.createdAtMs, what: batch.id })),
    );
  const sent = [...calls, ...batches].filter(({ atMs }) => atMs < untilMs);
  const others = sent.filter(({ paramsHash }) => !own.has(paramsHash));
  const first = others.sort((one, other) => one.atMs - other.atMs)[0];
  const inBatch = batches.find(({ paramsHash, atMs }) => own.has(paramsHash) && atMs < untilMs);
  if (inBatch) machine.violation(`a row of the pilot went into ${inBatch.what}`);
  if (!first) return;
  machine.counts.pilotsPassed++;
  const late = calls.find(({ paramsHash, atMs }) => own.has(paramsHash) && atMs > first.atMs && atMs < untilMs);
  if (late) machine.violation(`a row of the pilot was called after ${first.what} had gone with rows beside it`);
  for (const at of pilotRows(plan)) {
    const end = endOf(machine, at);
    if (end === 'invalid_request_error') {
      machine.violation(`row ${at} of the pilot was refused, and yet ${first.what} went`);
    } else if (
      end === 'succeeded' &&
      !calls.some(({ paramsHash, atMs }) => isOf(machine, at, paramsHash) && atMs <= first.atMs)
    ) {
      machine.violation(`row ${at} of the pilot had no answer when ${first.what} went`);
    }
  }
}

function hashesOf({ plan }: Machine, at: number): string[] {
  const row = plan.rows[at];
  return row ? variantsOf(plan, row).map(paramsHashOf) : [];
}

function isOf(machine: Machine, at: number, paramsHash: string): boolean {
  return hashesOf(machine, at).includes(paramsHash);
}

/** `succeeded`, or the type of the error in its line. */
function endOf(machine: Machine, at: number): string {
  const { result } = JSON.parse(outputLines(machine)[at] ?? '{"result":{}}') as {
    result: { type: string; error?: { error?: { type?: string } } };
  };
  return result.error?.error?.type ?? result.type;
}
