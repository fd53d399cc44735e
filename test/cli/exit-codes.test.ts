/**
 * What the exit code says (README, "Exit codes"): 0 done, 3 rows failed, 4 not finished, 5 a person must act, 6 another
 * process drives. Code 2 has its own rooms (input.test.ts, flags.test.ts), 130 and 143 are in signals.test.ts.
 */
import { describe, expect, test } from 'vitest';
import {
  answerOf,
  asked,
  bench,
  ENDLESS,
  expectAnswers,
  expectNothingTwice,
  jsonl,
  KEY,
  params,
  requests,
} from '../support/cli.ts';

/** Ten rows of which the API will not take one. */
const ONE_BAD = jsonl(
  Array.from({ length: 10 }, (_, at) => ({
    custom_id: `r${at}`,
    params: params(`q${at}`, at === 4 ? { model: 'claude-nobody-9' } : {}),
  })),
);
const UNKNOWN_MODEL = ['r4', 'not_found_error'];
/** What happens when the rows are not known to fail beforehand. */
const UNASKED = '--no-preflight';

describe('3: complete, but rows did not succeed', () => {
  test('one failed row is enough; the summary says why; the output has every row', async () => {
    const b = await bench();
    b.write('in.jsonl', ONE_BAD);
    const run = await b.exits(3, ['run', 'in.jsonl', UNASKED]);
    expect(run.stderr).toMatch(/failed +1 +not_found_error 1/);
    const lines = b.lines('in.results.jsonl').map(answerOf);
    expect(lines).toHaveLength(10);
    expect(lines[4]).toEqual(UNKNOWN_MODEL);
    const again = await b.exits(3, ['collect', 'latest']);
    expect(again.stdout).toBe('');
  });

  test('--fail-if says how many are too many, at submit or at collect', async () => {
    const b = await bench();
    b.write('in.jsonl', ONE_BAD);
    await b.ok(['submit', 'in.jsonl', UNASKED, '--fail-if', 'failed>10%']);
    await b.ok(['collect']);
    await b.ok(['collect', 'latest']);
    await b.exits(3, ['collect', 'latest', '--fail-if', 'failed>=10%']);
    await b.exits(3, ['collect', 'latest', '--fail-if', 'failed>0.5%']);
    await b.ok(['collect', 'latest', '--fail-if', 'expired>0,failed>1']);
    const wrong = await b.exits(2, ['collect', 'latest', '--fail-if', 'broken>1']);
    expect(wrong.stderr).toContain('broken>1');
  });
});

describe('4: not finished', () => {
  test('--once makes a single pass, and exits 0 when that was the last', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    await b.ok(['submit', 'in.jsonl']);
    const once = await b.exits(4, ['collect', '--once']);
    expect(once.stderr).toContain('under way');
    expect(b.world.ledger.batches).toHaveLength(1);
  });

  test('--max-wait stops in time and says how to go on', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    const run = await b.exits(4, ['run', 'in.jsonl', '--max-wait', '300ms']);
    expect(run.stderr).toContain('batchrun collect');
    expect(run.stderr).toContain('batchrun cancel');
    const status = await b.json(0, ['status']);
    expect(status.runs[0]).toMatchObject({ state: 'active', rows: { in_batch: 2 } });
  });

  test('an API that cannot be reached is given up after --give-up, and the work goes on later', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(3));
    await b.offline();
    const submitted = await b.exits(4, ['submit', 'in.jsonl', '--give-up', '1s']);
    expect(submitted.stdout).toMatch(/^run_\w+\n$/);
    expect(submitted.stderr).toMatch(/reach/);
    const collected = await b.exits(4, ['collect', '--give-up', '1s']);
    expect(collected.stderr).toMatch(/could not be reached/);
    await b.online();
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
    expect(b.world.ledger.batches).toHaveLength(1);
  });

  test('the API goes away while batches run: collect gives up with 4, nothing is lost', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl']);
    await b.offline();
    const failed = await b.json(4, ['collect', '--give-up', '500ms']);
    expect(failed.runs[0]).toMatchObject({ state: 'active', rows: { in_batch: 3 } });
    await b.online();
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
    expectNothingTwice(b.world);
  });
});

describe('5: a person must act', () => {
  test('a refused key blocks; with a good one the same run goes on', async () => {
    const b = await bench({ strictKeys: true, keys: { [KEY]: { workspace: 'wrkspc_a' } } });
    b.write('in.jsonl', requests(3));
    const bad = { env: { ANTHROPIC_API_KEY: 'sk-ant-api03-revoked-0123456789-abcdefgh' } };
    const submitted = await b.exits(5, ['submit', 'in.jsonl'], bad);
    expect(submitted.stderr).toMatch(/blocked/);
    expect(submitted.stderr).toMatch(/ANTHROPIC_API_KEY|key/);
    const run = submitted.stdout.trim();
    expect(run).toMatch(/^run_/);
    const status = await b.json(0, ['status']);
    expect(status.runs[0].blocked[0]).toMatchObject({
      scope: 'key',
      message: expect.any(String),
      hint: expect.any(String),
    });
    const shown = await b.ok(['status']);
    expect(shown.stdout).toContain('blocked');
    await b.exits(5, ['collect'], bad);
    expect(b.world.ledger.batches).toHaveLength(0);

    await b.ok(['collect', run]);
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
    expect((await b.json(0, ['status', run])).runs[0].blocked).toEqual([]);
  });

  test.each(['credit_too_low', 'permission'] as const)(
    'the account says %s: blocked, and collect goes on when it is mended',
    async (problem) => {
      const b = await bench({ accountProblem: problem });
      b.write('in.jsonl', requests(2));
      const run = await b.exits(5, ['run', 'in.jsonl']);
      expect(run.stderr).toContain('blocked');
      b.world.setAccountProblem(undefined);
      await b.ok(['collect']);
      expectAnswers(b.lines('in.results.jsonl'), asked(2));
      expect(b.world.ledger.batches).toHaveLength(1);
    },
  );

  test('what is paid is collected although nothing more can be sent', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(4));
    await b.ok(['submit', 'in.jsonl', '--chunk-size', '2', '--max-batches', '1']);
    b.world.setAccountProblem('billing');
    const blocked = await b.json(5, ['collect', '--max-batches', '1']);
    expect(blocked.runs[0]).toMatchObject({ state: 'active', rows: { succeeded: 2, waiting: 2 } });
    expect(blocked.runs[0].blocked).toHaveLength(1);
    b.world.setAccountProblem(undefined);
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), asked(4));
    expect(b.world.ledger.batches).toHaveLength(2);
  });
});

describe('6: another process drives', () => {
  test('the second is told who drives; --skip-if-locked leaves it to the first', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    const first = b.start(['run', 'in.jsonl']);
    await first.says(/Safe to stop/);
    const second = await b.exits(6, ['collect']);
    expect(second.stderr).toContain(`process ${first.child.pid}`);
    const failure = await b.json(6, ['collect']);
    expect(failure.error).toMatchObject({ code: 'E_LOCKED', exit: 6 });
    const skipped = await b.json(0, ['collect', '--skip-if-locked']);
    expect(skipped).toEqual({ runs: [] });
    const status = await b.json(0, ['status']);
    expect(status.driver).toMatchObject({ pid: first.child.pid, command: 'batchrun run' });
  });

  test('--retry-lock waits for the first to finish', async () => {
    const b = await bench({ batchDurationMs: [1_000, 1_000] });
    b.write('in.jsonl', requests(2));
    const first = b.start(['run', 'in.jsonl']);
    await first.says(/Safe to stop/);
    const second = b.start(['collect', 'latest', '--retry-lock', '30s']);
    expect(await first.ended).toMatchObject({ code: 0 });
    expect(await second.ended).toMatchObject({ code: 0 });
    expect(b.world.ledger.batches).toHaveLength(1);
  });

  test('submit beside a driver reads, says who drives, exits 0, and the driver takes the run up', async () => {
    const b = await bench();
    b.write('a.jsonl', requests(2, 'a'));
    b.write('b.jsonl', requests(2, 'b'));
    await b.ok(['submit', 'a.jsonl']);
    // As long as the list fails, the driver sees no end of its batch.
    b.world.setFaults({ 'list.503': 1 });
    const driver = b.start(['collect']);
    await driver.says(/Safe to stop/);
    const submitted = await b.ok(['submit', 'b.jsonl']);
    expect(submitted.stdout).toMatch(/^run_\w+\n$/);
    expect(submitted.stderr).toContain(`Process ${driver.child.pid}`);
    b.world.setFaults({});
    expect(await driver.ended).toMatchObject({ code: 0 });
    expectAnswers(b.lines('b.results.jsonl'), asked(2, 'b'));
  });

  test('of two submits of the same input at once one becomes the run and the other continues it', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(50));
    const both = [b.start(['submit', 'in.jsonl']), b.start(['submit', 'in.jsonl'])];
    const [one, other] = await Promise.all(both.map((running) => running.ended));
    expect([one?.code, other?.code]).toEqual([0, 0]);
    expect(other?.stdout).toBe(one?.stdout);
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), asked(50));
    expect(b.world.ledger.batches).toHaveLength(1);
  });
});
