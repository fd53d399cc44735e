/**
 * The judges of what the user gets, outside the engine: they know the input, what the simulated API really did, and the
 * output. What was paid is judged in payments.ts.
 */
import { answerFor } from '../../src/tools/sim/answer.ts';
import { checkBudget, checkLimits } from './account.ts';
import { checkWarmUps } from './caching.ts';
import { idOf } from './command.ts';
import { OUTPUT, type Machine } from './machine.ts';
import { wrongMoves } from './moves.ts';
import { checkCap, checkFollowed, checkPayments, checkSpares, checkUsage } from './payments.ts';
import { checkPilot } from './pilots.ts';
import { leaderOf, variantsOf, type InputRow } from './plan.ts';
import { checkAskedAgain, follows, wrongDeviant, type DeviantLine } from './schema-runs.ts';
import { wrongPrints } from './stdout.ts';

interface OutputLine {
  readonly custom_id: string;
  readonly result: {
    readonly type: string;
    readonly message?: { readonly content: readonly { readonly text: string }[]; readonly stop_reason: string };
    readonly error?: {
      readonly error?: { readonly type?: string; readonly details?: { readonly answer?: DeviantLine['answer'] } };
    };
  };
}

/** The output as it stands: the file, or what the process printed that came furthest. Null where there is none. */
export function outputText(machine: Machine): string | null {
  if (machine.plan.troubles.output !== 'stdout') return machine.disk.contents().get(OUTPUT)?.toString() ?? null;
  const { generation } = machine;
  const texts = machine.printed.filter((stdout) => stdout.generation === generation).map(({ text }) => text);
  return texts.sort((one, other) => other.length - one.length)[0] ?? null;
}

/** At a crash the output is not there or whole. */
export function checkOutputAtCrash(machine: Machine): void {
  const text = machine.disk.contents().get(OUTPUT)?.toString();
  if (text === undefined) return;
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
  checkPrints(machine);
  checkLimits(machine.lab);
  checkBudget(machine);
  checkCap(machine);
  checkPayments(machine);
  checkAskedAgain(machine);
  checkPilot(machine);
  await checkFollowed(machine, run.id);
  await checkSpares(machine, run.id);
  await checkUsage(machine, run.id);
  await checkWarmUps(machine, run.id);
  for (const wrong of wrongMoves(machine.db)) machine.violation(wrong);
}

function checkPrints(machine: Machine): void {
  const { generation } = machine;
  const printed = machine.printed.filter((stdout) => stdout.generation === generation);
  for (const wrong of wrongPrints(printed, outputText(machine) ?? '')) machine.violation(wrong);
}

/** The lines of the output, by row. */
export function outputLines(machine: Machine): readonly string[] {
  return (outputText(machine) ?? '').split('\n').slice(0, -1);
}

async function checkOutput(machine: Machine, runId: string): Promise<Map<string, number>> {
  const { rows } = machine.plan;
  const kinds = new Map<string, number>();
  if (outputText(machine) === null) {
    machine.violation('the run is done and there is no output');
    return kinds;
  }
  const lines = outputLines(machine);
  if (lines.length !== rows.length) machine.violation(`${lines.length} output lines for ${rows.length} rows`);
  for (const [at, row] of rows.entries()) {
    const line = JSON.parse(lines[at] ?? '{"result":{}}') as OutputLine;
    kinds.set(line.result.type, (kinds.get(line.result.type) ?? 0) + 1);
    if (line.custom_id !== idOf(row, at)) {
      machine.violation(`line ${at + 1} of the output is ${line.custom_id}; ${idOf(row, at)} was expected`);
      continue;
    }
    const wrong =
      line.result.type === 'succeeded'
        ? await wrongAnswer(machine, runId, { row, at, line })
        : await wrongFailure(machine, runId, { row, at, line });
    if (wrong !== null) machine.violation(`row ${at}: ${wrong}`);
  }
  return kinds;
}

async function wrongAnswer(
  { plan, store, counts }: Machine,
  runId: string,
  { row, at, line }: { row: InputRow; at: number; line: OutputLine },
): Promise<string | null> {
  if (!row.valid) return 'it was never sent, and yet it has an answer';
  if (row.refused === true) return 'the API refuses it, and yet it has an answer';
  const { message } = line.result;
  // A row that takes the answer of another one was tried as often as that one.
  const leader = plan.coalesce ? leaderOf(plan, at) : at;
  const { attempts = 1, truncations = 0 } = (await store.rowRecord(runId, leader)) ?? {};
  if (truncations > 0) counts.askedAgain++;
  const said = (message?.content ?? []).map((block) => block.text).join('');
  if (plan.schema && !follows(said)) return 'it succeeded, and its answer does not follow the schema';
  if (message?.stop_reason === 'refusal') return null;
  const text = message?.content[0]?.text ?? '';
  const answers = variantsOf(plan, row).map((params) => answerFor(params));
  if (!answers.includes(text)) return `its answer is "${text}"; ${JSON.stringify(answers)} was expected`;
  if (message?.stop_reason !== 'max_tokens' || plan.retryTruncated === 0) return null;
  // It stays cut only where it was asked for again in vain, or nothing is.
  const isOver = attempts >= plan.maxAttempts || plan.retryLane === 'none' || plan.cancelRate > 0;
  return truncations > 0 || isOver ? null : 'its answer was cut, and it was not asked for again';
}

const HOPELESS: ReadonlySet<string> = new Set(['invalid_request_error', 'request_too_large', 'not_found_error']);

/** Why a row that did not succeed should have: null when its failure is in order. */
async function wrongFailure(
  machine: Machine,
  runId: string,
  { row, at, line }: { row: InputRow; at: number; line: OutputLine },
): Promise<string | null> {
  const {
    plan,
    store,
    lab: { world },
  } = machine;
  const type = line.result.error?.error?.type ?? line.result.type;
  if (!row.valid) return type.startsWith('batchrun_') ? null : `it was skipped, and its line says ${type}`;
  if (row.refused === true && type === 'invalid_request_error') return null;
  const record = await store.rowRecord(runId, at);
  if (type === 'batchrun_schema') {
    return wrongDeviant(machine, { type, answer: line.result.error?.error?.details?.answer }, record?.attempts ?? 0);
  }
  if ((record?.truncations ?? 0) > 0 && !(plan.schema && plan.cancelRate > 0))
    return `it ended as ${type} although it had an answer, if a cut one`;
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
  const attempts = record?.attempts ?? 0;
  const unreadable = type === 'batchrun_unreadable_answer' && attempts >= 2;
  if (unreadable || attempts >= plan.maxAttempts || plan.retryLane === 'none') return null;
  return `it failed as ${type} after ${attempts} of ${plan.maxAttempts} attempts`;
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
