/**
 * The same input once more under another name, with `--reuse`, when its run is done: what was answered to the end is not
 * asked again, also where the process dies in between, and every row gets its line.
 */
import { markedAs } from './caching.ts';
import { FAILPOINTS, type FailpointName } from '../../src/base/failpoint.ts';
import { chance, integerBetween, pick, seededRng } from '../../src/base/random.ts';
import { answerFor } from '../../src/tools/sim/answer.ts';
import { paramsHashOf } from '../../src/tools/sim/prompt.ts';
import { outputLines } from './checkers.ts';
import { idOf } from './command.ts';
import { commanded, inLife } from './in-life.ts';
import { OUTPUT_AGAIN, type Machine } from './machine.ts';
import { timesSent } from './payments.ts';
import { follows } from './schema-runs.ts';
import { HOUR_MS } from './troubles.ts';

const LIVES_MAX = 8;
const FINAL = ['end_turn', 'stop_sequence', 'tool_use'];

interface Line {
  readonly custom_id: string;
  readonly result: {
    readonly type: string;
    readonly message?: { readonly stop_reason: string; readonly content: readonly { readonly text: string }[] };
  };
}

/** Notes how many rows are in copy chunks: a net that never saw one is none. */
export function countCopies({ db, counts }: Machine): void {
  const rows = db.all<{ of: string; count: number }>(
    'SELECT copies_of AS "of", sum(row_count) AS count FROM chunks WHERE copies_of IS NOT NULL GROUP BY 1',
  );
  for (const { of, count } of rows) counts[of === 'rows' ? 'copiedRows' : 'reusedRows'] += count;
}

export async function reuseAll(machine: Machine): Promise<void> {
  // The same input after a cancel is a new run anyway.
  if ((await machine.store.runs()).some((run) => run.canceled || run.state !== 'done')) return;
  const lines = outputLines(machine).map((line) => JSON.parse(line) as Line);
  const before = timesSent(machine);
  const rng = seededRng(machine.stream('reuse'));
  const ends: string[] = [];
  for (let nth = 0; nth < LIVES_MAX; nth++) {
    const name = pick(rng, [...(Object.keys(FAILPOINTS) as FailpointName[]), null]);
    const crash = nth < 3 && chance(rng, 0.5) ? { name, nth: integerBetween(rng, 1, 4) } : null;
    const life = { timeLimitMs: 30 * HOUR_MS, crash };
    ends.push(String(await inLife(machine, (process) => commanded(process, 'again'), life)));
    if (machine.lab.hasFailed()) return;
    if (ends.at(-1) === 'done') return check(machine, lines, before);
  }
  machine.violation(`with --reuse it does not come to its end (${ends.join(', ')})`);
}

async function check(machine: Machine, first: readonly Line[], before: ReadonlyMap<string, number>): Promise<void> {
  const { plan, store } = machine;
  const [run] = await store.runs();
  const text = machine.disk.contents().get(OUTPUT_AGAIN)?.toString() ?? '';
  const lines = text.split('\n').slice(0, -1);
  if (lines.length !== plan.rows.length) machine.violation(`with --reuse ${lines.length} lines came`);
  const after = timesSent(machine);
  for (const [at, row] of plan.rows.entries()) {
    const line = JSON.parse(lines[at] ?? '{"result":{}}') as Line;
    if (line.custom_id !== idOf(row, at))
      machine.violation(`with --reuse row ${at} is in the line of ${line.custom_id}`);
    if (!row.valid) continue;
    const said = (line.result.message?.content ?? []).map((block) => block.text).join('');
    if (plan.schema && line.result.type === 'succeeded' && !follows(said))
      machine.violation(`with --reuse row ${at} has an answer that does not follow the schema`);
    const hash = paramsHashOf(markedAs(plan, row.params));
    const answer = first[at]?.result;
    const wasWhole = answer?.type === 'succeeded' && FINAL.includes(answer.message?.stop_reason ?? '');
    // One that was asked with more max_tokens answers another request.
    const { truncations = 0 } = (run && (await store.rowRecord(run.id, at))) ?? {};
    const isAskedAgain = (after.get(hash) ?? 0) > (before.get(hash) ?? 0);
    if (wasWhole && truncations === 0 && answer.message?.content[0]?.text === answerFor(row.params)) {
      if (isAskedAgain) machine.violation(`row ${at} had its answer, and was asked again`);
      if (JSON.stringify(line.result) !== JSON.stringify(answer)) machine.violation(`row ${at} got another answer`);
    } else if (line.result.type === 'succeeded' && !isAskedAgain && answer?.type !== 'succeeded') {
      machine.violation(`row ${at} has an answer that nobody gave`);
    }
  }
}
