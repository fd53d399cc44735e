/**
 * `--pilot N` through the built program: called first, its answers kept, stopped by a refusal, resumed after a kill.
 */
import { describe, expect, test } from 'vitest';
import { LONG_OUTPUT_BETA } from '../../src/domain/limits.ts';
import { paramsHashOf } from '../../src/tools/sim/prompt.ts';
import {
  asked,
  bench,
  ENDLESS,
  expectAnswers,
  expectNothingTwice,
  jsonl,
  params,
  requests,
  type Bench,
} from '../support/cli.ts';

const CREATE = 'batches.create';
const CALL = 'messages.create';

/** count_tokens does not look at it, a message with it is refused: what only a pilot finds. */
const bad = (at: number): object => ({
  custom_id: `bad-${at}`,
  params: params(`x${at}`, { metadata: { shoe: 'size' } }),
});

/** A row in the place of another. */
function withBad(count: number, at: number): string {
  const lines = requests(count).split('\n').slice(0, -1);
  return `${[...lines.slice(0, at), jsonl([bad(at)]).trimEnd(), ...lines.slice(at + 1)].join('\n')}\n`;
}

/** How often each row was answered by a call or put into a batch. */
function timesPaid(b: Bench): number[] {
  const rows = asked(12).map(([, text]) => paramsHashOf(params(text)));
  const called = b.world.ledger.messages.map(({ paramsHash }) => paramsHash);
  return rows.map((hash) => called.filter((one) => one === hash).length);
}

describe('a pilot that goes well', () => {
  test('is called before anything is uploaded; its answers are the results of its rows', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(12));
    const { stderr } = await b.ok(['run', 'in.jsonl', '--pilot', '3', '--chunk-size', '5']);
    expect(stderr).toMatch(/the pilot \(3 rows at most\) is answered and nothing of it was refused: the rest goes/);
    expect([b.calls(CALL), b.world.ledger.messages.length]).toEqual([3, 3]);
    expectAnswers(b.lines('in.results.jsonl'), asked(12));
    expect(timesPaid(b)).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expectNothingTwice(b.world);
  });

  test('is flown by submit, which tells how it stands', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(12));
    const submitted = await b.json(0, ['submit', 'in.jsonl', '--pilot', '3', '--chunk-size', '5']);
    expect(submitted).toMatchObject({ chunks: 3, uploaded: 2, waiting: 0 });
    const { runs } = await b.json(0, ['status']);
    expect(runs[0]).toMatchObject({ pilot: { rows: 3, state: 'passed' }, rows: { succeeded: 3, in_batch: 9 } });
    expect((await b.ok(['status'])).stdout).toMatch(/pilot of 3 rows passed/);
  });
});

describe('a pilot that is refused', () => {
  test('stops the run with exit 5: the line, the type, the ways on; nothing was uploaded', async () => {
    const b = await bench();
    b.write('in.jsonl', withBad(12, 1));
    const ended = await b.exits(5, ['submit', 'in.jsonl', '--pilot', '3', '--concurrency', '1']);
    expect(ended.stderr).toMatch(/Preflight: .*12 rows counted/);
    expect(ended.stderr).toMatch(/the pilot of run_\w+ was refused: invalid_request_error for line 2 of .*in\.jsonl/);
    expect(ended.stderr).toMatch(/batchrun cancel run_\w+` stops the run/);
    expect([b.calls(CREATE), b.calls(CALL)]).toEqual([0, 2]);
    const { runs } = await b.json(0, ['status']);
    expect(runs[0]).toMatchObject({ blocked: [{ reason: 'pilot_refused' }], pilot: { rows: 3, state: 'refused' } });
    const failed = await b.ok(['results', 'latest', '--only', 'failed']);
    expect(failed.stdout).toMatch(/"custom_id":"bad-1".*metadata\.shoe/);
    await b.exits(5, ['collect']);
    expect([b.calls(CREATE), b.calls(CALL)]).toEqual([0, 2]);
  });

  test('goes on with collect --pilot 0, or ends with cancel', async () => {
    const b = await bench();
    b.write('in.jsonl', withBad(12, 1));
    const submit = ['submit', 'in.jsonl', '--pilot', '3'];
    await b.exits(5, submit);
    const more = await b.exits(2, ['collect', '--pilot', '5']);
    expect(more.stderr).toMatch(/has a pilot of 3, which cannot be changed to 5/);
    const { stderr } = await b.exits(3, ['collect', '--pilot', '0']);
    expect(stderr).toMatch(/--pilot 0 \(was 3\)/);
    expect(b.lines('in.results.jsonl')).toHaveLength(12);
    expect(b.calls(CREATE)).toBeGreaterThan(0);
    const other = await bench();
    other.write('in.jsonl', withBad(12, 0));
    await other.exits(5, submit);
    await other.ok(['cancel', 'latest']);
    expect(other.calls(CREATE)).toBe(0);
  });
});

describe('what contradicts a pilot', () => {
  test('is refused: --batch-only, and a pilot for a run that exists without one', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(4));
    const both = await b.exits(2, ['submit', 'in.jsonl', '--pilot', '2', '--batch-only']);
    expect(both.stderr).toMatch(/--pilot and --batch-only cannot both be given/);
    await b.exits(2, ['submit', 'in.jsonl', '--pilot', '1001']);
    await b.ok(['submit', 'in.jsonl']);
    const late = await b.exits(2, ['submit', 'in.jsonl', '--pilot', '2']);
    expect(late.stderr).toMatch(/has no pilot, which cannot be changed to 2/);
    expect(b.calls(CALL)).toBe(0);
  });
});

test('a run of which no row can be called has no pilot, and says so', async () => {
  const b = await bench(ENDLESS);
  b.write('in.jsonl', requests(2));
  const { stderr } = await b.ok(['submit', 'in.jsonl', '--pilot', '1', '--betas', LONG_OUTPUT_BETA]);
  expect(stderr).toMatch(/warning: there is no pilot: no row can be called/);
  expect([b.calls(CALL), b.calls(CREATE)]).toEqual([0, 1]);
});

describe('killed in the middle', () => {
  test.each([
    ['retry.realtime_claim', 3],
    ['retry.realtime_answer', 4],
    ['retry.realtime_log', 4],
    ['submit.attempt', 3],
    ['submit.answered', 3],
  ])('at %s: the next command goes on, nothing is uploaded before the pilot is over', async (failpoint, callsMax) => {
    const b = await bench();
    b.write('in.jsonl', requests(12));
    const submit = ['submit', 'in.jsonl', '--pilot', '3', '--chunk-size', '5', '--concurrency', '1'];
    const killed = await b.call(submit, { env: { BATCHRUN_FAILPOINT: failpoint } });
    expect(killed.signal).toBe('SIGKILL');
    if (failpoint.startsWith('retry.')) expect(b.calls(CREATE)).toBe(0);
    await b.ok(['run', 'in.jsonl', '--pilot', '3']);
    expectAnswers(b.lines('in.results.jsonl'), asked(12));
    expectNothingTwice(b.world);
    expect(b.world.ledger.messages.length).toBeLessThanOrEqual(callsMax);
    expect(timesPaid(b).slice(3)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});
