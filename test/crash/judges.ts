/**
 * The judges of the loops: they know the input, what the simulated API really did and what is on the disk, and they do
 * not ask the engine. Each gives sentences about what is wrong; none means that all is well.
 */
import type { Db } from '../../src/adapters/sqlite/db.ts';
import { answerFor } from '../../src/tools/sim/answer.ts';
import { paramsHashOf } from '../../src/tools/sim/prompt.ts';
import { ERRORS, OUTPUT, wrongCounters, type Lab, type LabRow, type Outcome } from './lab.ts';
import type { Scenario } from './scenarios.ts';

interface OutputLine {
  readonly custom_id: string;
  readonly result: {
    readonly type: string;
    readonly message?: { readonly content: readonly { readonly text: string }[] };
    readonly error?: { readonly error?: { readonly type?: string } };
  };
}

export function textOf(lab: Lab, path: string): string | null {
  return lab.disk.contents().get(path)?.toString() ?? null;
}

/** The user's files, as they lie there now. */
export interface Outputs {
  readonly output: string | null;
  readonly errors: string | null;
}

export function outputsOf(lab: Lab): Outputs {
  return { output: textOf(lab, OUTPUT), errors: textOf(lab, ERRORS) };
}

/** Whatever happened to the process: an output is not there, the old one, or whole; and the counters add up. */
export function afterTrouble(lab: Lab, before: Outputs): string[] {
  const { output, errors } = outputsOf(lab);
  const wrong = wrongCounters(lab.db);
  if (output !== before.output && output !== null && linesOf(output)?.length !== lab.setup.rows.length) {
    wrong.push(`the output is neither the old one nor whole: ${output.length} characters`);
  }
  if (errors !== before.errors && errors !== null && linesOf(errors) === null) wrong.push('the errors file is cut');
  return [...wrong, ...leftBehind(lab)];
}

/** Of an orderly end no temporary file may be left: on a full disk it would be in the way of the next command. */
function leftBehind({ db, unfinished }: Lab): string[] {
  // The folder of a run that was never ready is deleted with all that is in it, at the latest by the next command.
  const ready = db.all<{ id: string }>("SELECT id FROM runs WHERE state <> 'ingesting'");
  const runs = new Set(ready.map(({ id }) => id));
  const left = unfinished.filter((path) => !path.startsWith('/state/runs/') || runs.has(path.split('/')[3] ?? ''));
  return left.map((path) => `a temporary file of ${path} was left behind`);
}

/** The command came to its end. */
export function ended(outcome: Outcome): string[] {
  if (outcome.kind === 'ended' && (outcome.end === 'done' || outcome.end === 'nothing')) return [];
  if (outcome.kind === 'ended') return [`the command ended as ${outcome.end}`];
  if (outcome.kind === 'died') return ['the process died'];
  return [
    `the command failed: ${outcome.error instanceof Error ? (outcome.error.stack ?? '') : String(outcome.error)}`,
  ];
}

/** The lines of a whole file; null where the last one is cut or one cannot be read. */
function linesOf(text: string): OutputLine[] | null {
  if (text !== '' && !text.endsWith('\n')) return null;
  try {
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as OutputLine);
  } catch {
    return null;
  }
}

/** The run is done: promises P1 and P2, and the ledger's own sums. `repeats`: realtime calls that may be made twice. */
export async function atEnd(lab: Lab, scenario: Scenario, repeats: number): Promise<string[]> {
  const runs = await lab.store.runs({ ingesting: true });
  const states = runs.map(({ state }) => state).join(', ');
  if (states !== 'done') return [`there should be one finished run; there are: ${states || 'none'}`];
  return [
    ...lab.violations,
    ...wrongCounters(lab.db),
    ...(await wrongOutput(lab, scenario)),
    ...wrongPayments(lab, repeats),
    ...leftOpen(lab),
  ];
}

async function wrongOutput(lab: Lab, scenario: Scenario): Promise<string[]> {
  const { rows } = lab.setup;
  const { output, errors } = outputsOf(lab);
  const lines = output === null ? null : linesOf(output);
  if (lines?.length !== rows.length) return [`${lines?.length ?? 'no'} output lines for ${rows.length} rows`];
  const wrong: string[] = [];
  const kinds = new Map<string, number>();
  for (const [at, row] of rows.entries()) {
    const line = lines[at];
    if (!line) continue;
    kinds.set(line.result.type, (kinds.get(line.result.type) ?? 0) + 1);
    const problem = wrongLine(row, line, scenario);
    if (problem !== null) wrong.push(`row ${at}: ${problem}`);
  }
  const counted = (await lab.store.runs())[0]?.rows;
  const told = {
    succeeded: counted?.succeeded ?? 0,
    errored: (counted?.failed ?? 0) + (counted?.invalid ?? 0),
    expired: counted?.expired ?? 0,
    canceled: counted?.canceled ?? 0,
  };
  for (const [kind, count] of Object.entries(told)) {
    if ((kinds.get(kind) ?? 0) !== count) wrong.push(`${count} are ${kind} by the ledger, not by the output`);
  }
  if (lab.setup.errors) wrong.push(...wrongErrors(lines, errors));
  return wrong;
}

function wrongLine(row: LabRow, line: OutputLine, scenario: Scenario): string | null {
  if (line.custom_id !== row.customId) return `it is in the line of ${line.custom_id}`;
  const { type, message, error } = line.result;
  const end = type === 'errored' ? (error?.error?.type ?? 'unknown') : type;
  if (!scenario.ends(row).includes(end)) return `it ended as ${end}`;
  if (type !== 'succeeded') return null;
  const text = message?.content[0]?.text ?? '';
  return text === answerFor(row.params) ? null : `its answer is "${text}", which is another row's`;
}

/** Every row that did not succeed, and no other, with its request. */
function wrongErrors(lines: readonly OutputLine[], errors: string | null): string[] {
  const wanted = lines.filter((line) => line.result.type !== 'succeeded').map((line) => line.custom_id);
  const found = errors === null ? null : linesOf(errors)?.map((line) => line.custom_id);
  return JSON.stringify(found) === JSON.stringify(wanted) ? [] : [`the errors file has ${JSON.stringify(found)}`];
}

/** No row was taken into a second batch unless the first did not give its answer; realtime calls by their bound. */
function wrongPayments({ paid: bill, setup }: Lab, repeats: number): string[] {
  const wrong: string[] = [];
  const accepted = new Map<string, { readonly batchId: string; readonly outcome: string }[]>();
  for (const batch of bill.batches) {
    for (const { paramsHash, outcome } of batch.rows()) {
      const earlier = accepted.get(paramsHash) ?? [];
      accepted.set(paramsHash, earlier);
      const paid = earlier.find((one) => one.outcome === 'succeeded' || one.outcome === 'processing');
      if (paid) wrong.push(`a row is in ${batch.id} although it is ${paid.outcome} in ${paid.batchId}`);
      earlier.push({ batchId: batch.id, outcome });
    }
  }
  const executed = new Map<string, number>();
  for (const { paramsHash } of bill.messages) executed.set(paramsHash, (executed.get(paramsHash) ?? 0) + 1);
  let again = 0;
  for (const [hash, times] of executed) {
    const succeeded = (accepted.get(hash) ?? []).filter((one) => one.outcome === 'succeeded').length;
    again += times + succeeded - 1;
  }
  if (again > repeats) wrong.push(`${again} realtime calls were paid again; ${repeats} can be excused`);
  const asked = setup.rows.map((row) => ({ ...row.params, ...row.smuggled }));
  const known = new Set([...asked, ...(setup.warmUps ?? [])].map(paramsHashOf));
  for (const hash of [...accepted.keys(), ...executed.keys()]) {
    if (!known.has(hash)) wrong.push(`a request was sent that is no row of the input`);
  }
  return wrong;
}

/** Nothing is left that nobody looks at: attempts in doubt, batches of ours that the ledger does not know. */
function leftOpen({ db, paid }: Lab): string[] {
  const wrong = db
    .all<{ id: number; state: string }>("SELECT id, state FROM attempts WHERE state IN ('open', 'uncertain')")
    .map(({ id, state }) => `attempt ${id} is still ${state}`);
  const followed = new Set(db.all<{ id: string }>('SELECT id FROM batches').map(({ id }) => id));
  for (const { id } of paid.batches) {
    if (!followed.has(id)) wrong.push(`batch ${id} is paid, and the ledger does not know it`);
  }
  return wrong;
}

/** What the ledger says, but for who drives it and what is only told. */
export function ledgerOf(db: Db): string {
  const tables = ['runs', 'chunks', 'chunk_index', 'attempts', 'batches', 'rows', 'usage'];
  const rows = tables.map((table) => db.all(`SELECT * FROM ${table} ORDER BY 1, 2`));
  return JSON.stringify(rows);
}

/** Everything that must not change when the command is run once more. */
function fingerprintOf({ db, disk }: Lab): string {
  const files = [...disk.contents()].map(([path, bytes]) => `${path} ${bytes.toString('latin1')}`);
  return [ledgerOf(db), ...files.sort()].join('\n');
}

/** On a finished run the same command asks nothing and changes nothing. */
export async function onceMore(lab: Lab, scenario: Scenario): Promise<string[]> {
  const before = fingerprintOf(lab);
  const asked = lab.requests.length;
  const outcome = await lab.run(scenario.command);
  const wrong = ended(outcome).map((what) => `on a finished run: ${what}`);
  if (lab.requests.length > asked) wrong.push(`on a finished run it asked ${lab.requests.slice(asked).join(', ')}`);
  if (fingerprintOf(lab) !== before) wrong.push('on a finished run it changed something');
  return wrong;
}
