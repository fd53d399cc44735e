/**
 * batchrun as a job of cron: no terminal, a short PATH, no locale; silent while all is well, a few plain lines where
 * somebody must look, and every job going on where the last one stopped.
 */
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { asked, bench, ENDLESS, expectAnswers, expectNothingTwice, requests, type Bench } from '../support/cli.ts';
import type { SimOptions } from '../../src/tools/sim/options.ts';

/** What cron gives a job, and no more. */
const CRON = { PATH: '/usr/bin:/bin', LANG: undefined, LC_ALL: undefined, TERM: undefined, SHELL: '/bin/sh' };

interface Jobs {
  readonly b: Bench;
  readonly job: (code: number, args: readonly string[]) => Promise<string>;
}

/** A job that is to say nothing but what it says on stderr, which is given. */
async function jobs(options: SimOptions = {}): Promise<Jobs> {
  const b = await bench(options);
  const job = async (code: number, args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await b.exits(code, [...args, '--quiet'], { env: CRON });
    expect(stdout).toBe('');
    return stderr;
  };
  return { b, job };
}

/** A mail: lines of printable ASCII. */
function expectMail(text: string): void {
  expect(text).toMatch(/^[\x20-\x7e\n]+$/);
  expect(text.split('\n').length).toBeLessThan(20);
}

describe('a job that finds all well says nothing', () => {
  test('run, and run again: done, and a file for the day', async () => {
    const { b, job } = await jobs();
    b.write('in.jsonl', requests(5));
    const run = ['run', 'in.jsonl', '--name', 'nightly', '-o', 'out/{date}.jsonl'];
    b.write('out/.keep', '');
    expect(await job(0, run)).toBe('');
    expect(await job(0, run)).toBe('');
    const [shown] = (await b.json(0, ['status', 'nightly'])).runs;
    expect(shown.output).toMatch(/out\/\d{4}-\d\d-\d\d\.jsonl$/);
    expectAnswers(b.lines(`out/${shown.output?.slice(-16) ?? ''}`), asked(5));
    expect(b.calls('batches.create')).toBe(1);
  });

  test('collect --once, minute by minute until it is done: 4, then 0, and nothing twice', async () => {
    const { b, job } = await jobs({ batchDurationMs: [400, 800] });
    expect(await job(0, ['collect', '--once'])).toBe('');
    b.write('in.jsonl', requests(12));
    await b.ok(['submit', 'in.jsonl', '--chunk-size', '4', '--max-batches', '1', '--quiet'], { env: CRON });
    const codes: (number | null)[] = [];
    for (let minute = 0; minute < 60 && codes.at(-1) !== 0; minute++) {
      const { code, stdout, stderr } = await b.call(['collect', '--once', '--max-batches', '1', '--quiet'], {
        env: CRON,
      });
      expect([stdout, stderr]).toEqual(['', '']);
      codes.push(code);
    }
    expect(codes.at(-1)).toBe(0);
    expect(codes.slice(0, -1).filter((code) => code !== 4)).toEqual([]);
    expect(await job(0, ['collect', '--once'])).toBe('');
    expectAnswers(b.lines('in.results.jsonl'), asked(12));
    expectNothingTwice(b.world);
    expect(b.calls('batches.create')).toBe(3);
  });

  test('beside another job: with --skip-if-locked 0 and silence, without it 6 and who drives', async () => {
    const { b, job } = await jobs(ENDLESS);
    b.write('in.jsonl', requests(2));
    const first = b.start(['run', 'in.jsonl'], { env: CRON });
    await first.says(/with 2 rows/);
    expect(await job(0, ['collect', '--once', '--skip-if-locked'])).toBe('');
    const said = await job(6, ['collect', '--once']);
    expectMail(said);
    expect(said).toMatch(new RegExp(`^batchrun: process ${first.child.pid} on .* drives this state\n`));
    // And one that waits for it.
    const waiting = b.start(['collect', '--once', '--retry-lock', '10m', '--quiet'], { env: CRON });
    first.kill('SIGTERM');
    expect((await first.ended).code).toBe(143);
    expect(await waiting.ended).toMatchObject({ code: 4, stdout: '', stderr: '' });
  });

  test('after one that was killed: the next goes on with its batch', async () => {
    const { b, job } = await jobs();
    b.write('in.jsonl', requests(3));
    const first = await b.call(['run', 'in.jsonl', '--quiet'], {
      env: { ...CRON, BATCHRUN_FAILPOINT: 'submit.answered' },
    });
    expect(first.signal).toBe('SIGKILL');
    expect(await job(0, ['run', 'in.jsonl'])).toBe('');
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
    expect(b.world.ledger.batches).toHaveLength(1);
  });
});

describe('a job that finds something says it in a few plain lines', () => {
  test('rows that did not succeed: 3, also when it comes again', async () => {
    const { b, job } = await jobs({ rates: { errorRate: 1, errorTypes: { invalid_request_error: 1 } } });
    b.write('in.jsonl', requests(4, 'a secret question'));
    const said = await job(3, ['run', 'in.jsonl', '--name', 'nightly']);
    expectMail(said);
    expect(said).toMatch(/^batchrun: run_\w+ "nightly" is done\.\n/);
    expect(said).toMatch(/failed +4 +.*invalid_request_error/);
    expect(said).toMatch(/`batchrun results run_\w+ --only failed`/);
    expect(said).toMatch(/`batchrun retry run_\w+`/);
    expect(said).not.toContain('secret');
    expect(await job(3, ['run', 'in.jsonl', '--name', 'nightly'])).toBe(said);
    expect(await job(0, ['run', 'in.jsonl', '--name', 'nightly', '--fail-if', 'failed>100%'])).toBe('');
  });

  test('something blocked: 5, with what to do', async () => {
    const { b, job } = await jobs({ accountProblem: 'credit_too_low' });
    b.write('in.jsonl', requests(2));
    const said = await job(5, ['run', 'in.jsonl']);
    expectMail(said);
    expect(said).toMatch(/^batchrun: run_\w+ is blocked\.\n/);
    expect(said).toMatch(/ {2}blocked: .*\n {4}\S/);
    const withoutRequest = (text: string): string => text.replace(/req_\w+/, '');
    expect(withoutRequest(await job(5, ['collect', '--once']))).toBe(withoutRequest(said));
  });

  test('an API that is not there: 4; a mistake: 2; a state that cannot be used: 1', async () => {
    const { b, job } = await jobs(ENDLESS);
    b.write('in.jsonl', requests(2));
    await b.ok(['submit', 'in.jsonl', '--quiet']);
    const wrong = await job(2, ['run', 'nowhere.jsonl']);
    expectMail(wrong);
    expect(wrong).toContain('nowhere.jsonl');
    await b.offline();
    const away = await job(4, ['collect', '--give-up', '1ms', '--backoff-base', '1ms']);
    expectMail(away);
    expect(away).toContain('batchrun: the API could not be reached');
    const db = new Database(b.path('.batchrun/state.db'));
    db.pragma('user_version = 9999');
    db.close();
    const newer = await job(1, ['collect', '--once']);
    expectMail(newer);
    expect(newer).toContain('newer batchrun');
  });
});

describe('what nobody goes on with is told', () => {
  test('a pass that got no answer', async () => {
    const { b, job } = await jobs(ENDLESS);
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl']);
    await b.offline();
    const text = await job(4, ['collect', '--once', '--backoff-base', '1ms']);
    expectMail(text);
    expect(text).toContain('the API did not answer');
  });

  test('an API that answers with errors: at once where somebody looks, by mail when it has lasted', async () => {
    const { b, job } = await jobs(ENDLESS);
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl']);
    b.world.setFaults({ 'list.500': 1 });
    const { stderr } = await b.exits(4, ['collect', '--once']);
    expect(stderr).toMatch(/the API answers with errors since \S+ \(500 api_error on list\)\n.*the work goes on/);
    expect(await job(4, ['collect', '--once'])).toBe('');
    const since = new Date(Date.now() - 11 * 60_000).toISOString();
    const db = new Database(b.path('.batchrun/state.db'));
    db.prepare(`UPDATE events SET data = json_set(data, '$.since', ?) WHERE kind = 'api.errors'`).run(since);
    db.close();
    const text = await job(4, ['collect', '--once']);
    expectMail(text);
    expect(text).toContain(`batchrun: the API answers with errors since ${since.slice(0, 17)}`);
    const shown = await b.ok(['status']);
    expect(shown.stdout).toContain(`the API has answered with errors since ${since.slice(0, 17)}`);
    expect((await b.json(0, ['status'])).runs).toMatchObject([{ api_outage: { kind: 'errors', since } }]);
    b.world.setFaults({});
    expect(await job(4, ['collect', '--once'])).toBe('');
    expect((await b.json(0, ['status'])).runs).toMatchObject([{ api_outage: null }]);
    expect((await b.ok(['log', 'latest', '--json'])).stdout).toContain('"event":"api.answers"');
  });

  test('a night that a power cut ended: the next one brings its results to safety, and sends and writes nothing', async () => {
    const { b, job } = await jobs({ batchDurationMs: [1, 1], messageLatencyMs: [500, 500] });
    b.write('in.jsonl', requests(9));
    const night = b.start(['run', 'in.jsonl', '--chunk-size', '3', '--max-batches', '2', '--poll-interval', '1h']);
    await night.says(/2 of 3|chunk 2: batch/);
    night.kill('SIGKILL');
    await night.ended;
    b.write('next.jsonl', requests(2, 'another'));
    const text = await job(0, ['run', 'next.jsonl', '--realtime']);
    expectMail(text);
    expect(text).toMatch(
      /^Left alone: 1 unfinished run \(run_\w+\)\. Results that were ready were fetched, .*collect\n$/,
    );
    const [first, second] = (await b.json(0, ['status'])).runs;
    expect([first.rows['succeeded'], second?.rows['succeeded']]).toEqual([6, 2]);
    expect(b.calls('batches.create')).toBe(2);
    expect([b.has('in.results.jsonl'), b.has('next.results.jsonl')]).toEqual([false, true]);
    // What is fetched is there though the API has deleted it; the rest is sent when somebody says so.
    expect(await job(0, ['collect'])).toBe('');
    expectAnswers(b.lines('in.results.jsonl'), asked(9));
    expectNothingTwice(b.world);
  });

  test('a night that was cut short, by the night after', async () => {
    const { b, job } = await jobs(ENDLESS);
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl', '--name', 'first']);
    b.write('next.jsonl', requests(2, 'another'));
    const text = await job(0, ['run', 'next.jsonl', '--realtime']);
    expectMail(text);
    expect(text).toMatch(/^Left alone: 1 unfinished run \(run_\w+ "first"\)\. .* batchrun collect\n$/);
  });
});
