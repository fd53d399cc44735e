/**
 * The judges, outside the engine: they know the input, what the simulated API really did, and the output.
 */
import { answerFor } from '../../src/tools/sim/answer.ts';
import { paramsHashOf } from '../../src/tools/sim/prompt.ts';
import { idOf, OUTPUT, type Machine } from './harness.ts';
import type { InputRow } from './plan.ts';

interface OutputLine {
  readonly custom_id: string;
  readonly result: {
    readonly type: string;
    readonly message?: { readonly content: readonly { readonly text: string }[]; readonly stop_reason: string };
    readonly error?: { readonly error?: { readonly type?: string } };
  };
}

export function outputText(machine: Machine): string | null {
  return machine.disk.contents().get(OUTPUT)?.toString() ?? null;
}

/** At a crash the output is not there or whole. */
export function checkOutputAtCrash(machine: Machine): void {
  const text = outputText(machine);
  if (text === null) return;
  const lines = text.split('\n');
  if (lines.length !== machine.plan.rows.length + 1 || lines.at(-1) !== '') {
    machine.violation(
      `after a crash the output has ${lines.length - 1} lines; ${machine.plan.rows.length} were expected`,
    );
  }
}

/** After the run is done. */
export async function checkEnd(machine: Machine): Promise<void> {
  const runs = await machine.store.runs();
  if (runs.length !== 1) machine.violation(`there are ${runs.length} runs of one input`);
  const run = runs[0];
  if (!run) return;
  const kinds = await checkOutput(machine, run.id);
  const { succeeded, failed, expired, canceled, invalid } = run.rows;
  const told = { succeeded, errored: failed + invalid, expired, canceled };
  for (const [kind, count] of Object.entries(told)) {
    if ((kinds.get(kind) ?? 0) !== count) {
      machine.violation(`${count} rows are ${kind} by the ledger, ${kinds.get(kind) ?? 0} by the output`);
    }
  }
  checkPayments(machine);
  await checkFollowed(machine, run.id);
  await checkUsage(machine, run.id);
}

async function checkOutput(machine: Machine, runId: string): Promise<Map<string, number>> {
  const { rows } = machine.plan;
  const kinds = new Map<string, number>();
  const text = outputText(machine);
  if (text === null) {
    machine.violation('the run is done and there is no output');
    return kinds;
  }
  const lines = text.split('\n').slice(0, -1);
  if (lines.length !== rows.length) machine.violation(`${lines.length} output lines for ${rows.length} rows`);
  for (const [at, row] of rows.entries()) {
    const line = JSON.parse(lines[at] ?? '{"result":{}}') as OutputLine;
    kinds.set(line.result.type, (kinds.get(line.result.type) ?? 0) + 1);
    if (line.custom_id !== idOf(row, at)) {
      machine.violation(`line ${at + 1} of the output is ${line.custom_id}; ${idOf(row, at)} was expected`);
      continue;
    }
    const wrong =
      line.result.type === 'succeeded' ? wrongAnswer(row, line) : await wrongFailure(machine, runId, { row, at, line });
    if (wrong !== null) machine.violation(`row ${at}: ${wrong}`);
  }
  return kinds;
}

function wrongAnswer(row: InputRow, line: OutputLine): string | null {
  if (!row.valid) return 'it was never sent, and yet it has an answer';
  const { message } = line.result;
  if (message?.stop_reason === 'refusal') return null;
  const text = message?.content[0]?.text ?? '';
  const expected = answerFor(row.params);
  return text === expected ? null : `its answer is "${text}"; "${expected}" was expected`;
}

const HOPELESS: ReadonlySet<string> = new Set(['invalid_request_error', 'request_too_large', 'not_found_error']);

/** Why a row that did not succeed should have: null when its failure is in order. */
async function wrongFailure(
  { plan, store, world }: Machine,
  runId: string,
  { row, at, line }: { row: InputRow; at: number; line: OutputLine },
): Promise<string | null> {
  const type = line.result.error?.error?.type ?? line.result.type;
  if (!row.valid) return type.startsWith('batchrun_') ? null : `it was skipped, and its line says ${type}`;
  const fired = (fault: Parameters<typeof world.faultsFired.get>[0]): boolean =>
    (world.faultsFired.get(fault) ?? 0) > 0;
  if (line.result.type === 'canceled') {
    return fired('batch.canceled_by_other') || plan.cancelRate > 0
      ? null
      : 'it is canceled, and nobody canceled anything';
  }
  if (type.startsWith('batchrun_refused_'))
    return fired('create.413') ? null : `it failed as ${type}, and nothing was refused`;
  // A row that was refused for money waits for a person, but with --retry-lane none nothing waits: it is given up.
  if (HOPELESS.has(type) && plan.retryLane === 'none' && (plan.rates.billingErrorRate ?? 0) > 0) return null;
  if (HOPELESS.has(type)) {
    return plan.rates.errorTypes?.invalid_request_error === undefined
      ? `it failed as ${type}, which never happened`
      : null;
  }
  // What may be tried again was tried until the attempts were used up.
  const record = await store.rowRecord(runId, at);
  const attempts = record?.attempts ?? 0;
  const unreadable = type === 'batchrun_unreadable_answer' && attempts >= 2;
  if (unreadable || attempts >= plan.maxAttempts || plan.retryLane === 'none') return null;
  return `it failed as ${type} after ${attempts} of ${plan.maxAttempts} attempts`;
}

/** No row is paid twice where nothing forced it. */
function checkPayments(machine: Machine): void {
  const { world, plan, counts } = machine;
  const accepted = new Map<string, { readonly batchId: string; readonly outcome: string }[]>();
  for (const batch of world.ledger.batches) {
    if (batch.isForeign) continue;
    for (const { paramsHash, outcome } of batch.rows()) {
      const earlier = accepted.get(paramsHash) ?? [];
      accepted.set(paramsHash, earlier);
      for (const one of earlier) {
        if (one.outcome !== 'succeeded' && one.outcome !== 'processing') continue;
        machine.violation(`a row was accepted in ${batch.id} although it is ${one.outcome} in ${one.batchId}`);
      }
      earlier.push({ batchId: batch.id, outcome });
    }
  }
  const executed = new Map<string, number>();
  let lost = 0;
  for (const message of world.ledger.messages) {
    executed.set(message.paramsHash, (executed.get(message.paramsHash) ?? 0) + 1);
    if (!message.wasAnswered) lost++;
  }
  let repeats = 0;
  for (const [hash, times] of executed) {
    const inBatches = (accepted.get(hash) ?? []).filter((one) => one.outcome === 'succeeded').length;
    repeats += Math.max(0, times + inBatches - 1);
  }
  const allowed = lost + counts.timeouts + counts.crashes * plan.concurrency;
  if (repeats > allowed)
    machine.violation(`${repeats} rows were paid again in realtime; at most ${allowed} can be excused`);
  const known = new Set(plan.rows.map((row) => paramsHashOf(row.params)));
  for (const hash of [...accepted.keys(), ...executed.keys()]) {
    if (!known.has(hash)) machine.violation(`a request ${hash} was sent that is no row of the input`);
  }
}

/** Every batch of ours is in the ledger, and none of somebody else's was taken for ours. */
async function checkFollowed(machine: Machine, runId: string): Promise<void> {
  const followed = new Set((await machine.store.batches(runId)).map((batch) => batch.id));
  for (const batch of machine.world.ledger.batches) {
    if (batch.isForeign && followed.has(batch.id))
      machine.violation(`the foreign batch ${batch.id} was taken for ours`);
    if (batch.isForeign || followed.has(batch.id)) continue;
    machine.violation(`batch ${batch.id} (${batch.status}) is ours and paid, and the ledger does not know it`);
  }
}

/** What was used is what the API would bill; only answers that were lost on the way are missing. */
async function checkUsage(machine: Machine, runId: string): Promise<void> {
  const usage = await machine.store.usage(runId);
  const sum = (lane: string): number =>
    usage.filter((entry) => entry.lane === lane).reduce((total, entry) => total + entry.outputTokens, 0);
  const billed = machine.world.ledger.tokens();
  if (sum('batch') !== billed.batch.output) {
    machine.violation(`the batches used ${billed.batch.output} output tokens; the ledger says ${sum('batch')}`);
  }
  if (sum('realtime') > billed.realtime.output) {
    machine.violation(`the calls used ${billed.realtime.output} output tokens; the ledger says ${sum('realtime')}`);
  }
}

/** What still has to move, for the sentence of a seed that does not come to its end. */
export async function pending(machine: Machine): Promise<string> {
  const runs = await machine.store.runs({ ingesting: true });
  const parts: string[] = [];
  for (const run of runs) {
    const chunks = Object.entries(await machine.store.chunkCounts(run.id)).filter(([, count]) => count > 0);
    const rows = Object.entries(run.rows).filter(([, count]) => count > 0);
    const blocks = run.blocked.map((block) => `${block.reason} (${block.scope})`);
    parts.push(
      `${run.id} is ${run.state}; chunks ${JSON.stringify(chunks)}; rows ${JSON.stringify(rows)}; blocked by ${JSON.stringify(blocks)}`,
    );
  }
  return parts.join('; ') || 'there is no run';
}
