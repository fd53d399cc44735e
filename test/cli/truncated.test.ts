/**
 * `--retry-truncated` through the whole program: the simulator cuts what is longer than max_tokens, as the API does.
 */
import { describe, expect, test } from 'vitest';
import { answerFor } from '../../src/tools/sim/answer.ts';
import { bench, jsonl, params, type Bench, type Line, type RunJson } from '../support/cli.ts';

/** Its echo is longer than 20 tokens of four bytes, and not longer than 40. */
const LONG = 'a question of some length whose answer has no room in a few tokens, nor in twice as many';
const SHORT = 'short';

const text = (at: number): string => `${at % 5 === 0 ? LONG : SHORT} ${at}`;

function input(b: Bench, count: number): void {
  const rows = Array.from({ length: count }, (_unused, at) => ({
    custom_id: `row-${at}`,
    params: params(text(at), { max_tokens: 10 }),
  }));
  b.write('in.jsonl', jsonl(rows));
}

/** Row by row the whole echo: none was cut. */
function expectWhole(lines: readonly Line[], count: number): void {
  const found = lines.map(({ custom_id: id, result }) => [
    id,
    result.type === 'succeeded' ? result.message.content[0]?.text : result.type,
  ]);
  expect(found).toEqual(Array.from({ length: count }, (_unused, at) => [`row-${at}`, answerFor(params(text(at)))]));
}

interface Counted extends RunJson {
  readonly stop_reasons: Readonly<Record<string, number>>;
  readonly lanes: Readonly<Record<string, { readonly rows: number }>>;
}

async function counted(b: Bench): Promise<Counted> {
  return (await b.json(0, ['status', 'latest'])).runs[0] as Counted;
}

describe.each(['batch', 'realtime'])('in the %s lane', (lane) => {
  test('cut answers come whole in the end: output, results, counters and audit', async () => {
    const b = await bench();
    input(b, 20);
    const flags = ['--retry-truncated', '3', '--retry-lane', lane, '--chunk-size', '8', '--errors', 'errors.jsonl'];
    await b.ok(['run', 'in.jsonl', '--yes', ...flags]);
    expectWhole(b.lines('in.results.jsonl'), 20);
    expect(b.read('errors.jsonl')).toBe('');
    const { rows, stop_reasons: reasons, lanes } = await counted(b);
    expect({ rows, reasons }).toMatchObject({ rows: { succeeded: 20, failed: 0 }, reasons: {} });
    // Ten tokens were not enough four times, and neither were those of the tries after it.
    expect(Object.values(lanes).reduce((sum, one) => sum + one.rows, 0)).toBe(28);
    expect((await b.ok(['results', 'latest', '--row', 'row-5'])).stdout).toContain(`${LONG} 5`);
    expect((await b.ok(['results', 'latest', '--only', 'failed'])).stdout).toBe('');
    expect(await b.json(0, ['audit'])).toMatchObject({ ok: true });
  });
});

test('with too few tries the cut answers stay, and are counted once', async () => {
  const b = await bench();
  input(b, 20);
  const flags = ['--retry-truncated', '1', '--retry-lane', 'batch', '--as-completed'];
  const { stdout } = await b.ok(['run', 'in.jsonl', '--yes', ...flags]);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  expect(lines.map(({ custom_id: id }) => id).sort()).toEqual(
    Array.from({ length: 20 }, (_u, at) => `row-${at}`).sort(),
  );
  const { rows, stop_reasons: reasons } = await counted(b);
  expect({ rows, reasons }).toMatchObject({ rows: { succeeded: 20 }, reasons: { max_tokens: 4 } });
  // Twice the ten tokens were given to the last try.
  const cut = lines.filter(
    ({ result }) => result.type === 'succeeded' && result.message.content[0]?.text.length === 80,
  );
  expect(cut.map(({ custom_id: id }) => id).sort()).toEqual(['row-0', 'row-10', 'row-15', 'row-5']);
  expect(await b.json(0, ['audit'])).toMatchObject({ ok: true });
});

test('it can be switched on while the run goes on, for answers that are not collected yet', async () => {
  const b = await bench();
  input(b, 10);
  await b.ok(['submit', 'in.jsonl', '--yes']);
  const said = await b.ok(['collect', 'latest', '--retry-truncated', '4']);
  expect(said.stderr).toContain('--retry-truncated 4 (was 0).');
  expectWhole(b.lines('in.results.jsonl'), 10);
});
