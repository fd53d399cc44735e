/**
 * `loadtest` as a user runs it: on its own simulator, and on one that the test can question.
 */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { LoadView } from '../../src/tools/loadtest/view.ts';
import { bench, csv, KEY, MODEL, requests, type Bench, type CallOptions } from '../support/cli.ts';

const NO_KEY = { env: { ANTHROPIC_API_KEY: undefined, ANTHROPIC_BASE_URL: undefined } };
/** The load of a test: enough to count, and over in a moment. */
const SHORT = ['--users', '3', '--duration', '30s', '--max-requests', '40'] as const;

async function viewOf(b: Bench, code: number, args: readonly string[], options: CallOptions = {}): Promise<LoadView> {
  const ended = await b.exits(code, ['loadtest', ...args, '--json'], options);
  expect(ended.stdout).toMatch(/^\{.*\}\n$/);
  return JSON.parse(ended.stdout) as LoadView;
}

/** Against the simulator of this process. */
function target(b: Bench): string[] {
  return ['--target', b.origin, '--yes', '--model', MODEL];
}

describe('on its own simulator', () => {
  test('without a key, a state or a flag: figures as text, and nothing is left behind', async () => {
    const b = await bench();
    const { stdout, stderr } = await b.ok(['loadtest', ...SHORT, '--message-latency', '5ms-20ms'], NO_KEY);
    expect(stdout).toMatch(/^3 users on the simulator for \d+\w*, ended by max requests: claude-haiku-5-5\./);
    expect(stdout).toContain('40 requests: 40 succeeded, 0 rate limited (429), 0 failed');
    expect(stdout).toMatch(/\n +mean +p50 +p75 +p90 +p95 +p99 +p99\.9 +max\n {2}total /);
    expect(stdout).toContain('cost: nothing; at the API it would be $');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(stderr).toContain('Ctrl-C ends it, with its report');
    expect(b.world.ledger.calls.size).toBe(0);
    expect(existsSync(b.state)).toBe(false);
  });

  test('streamed, in conversations, with a page and the seconds as CSV', async () => {
    const b = await bench();
    const files = ['--html', 'load.html', '--csv', 'load.csv', '--quiet'];
    const args = [...SHORT, '--stream', '--turns', '4', '--message-latency', '20ms-40ms', ...files];
    const view = await viewOf(b, 0, args, NO_KEY);
    const { first_token: first, first_byte: byte, service, connect } = view.latency;
    expect(view.requests).toMatchObject({ sent: 40, succeeded: 40, failed: 0 });
    expect(first?.count).toBe(40);
    expect(first?.p50_ms).toBeGreaterThanOrEqual(byte?.p50_ms ?? Infinity);
    expect(first?.p50_ms).toBeLessThan(service?.p50_ms ?? 0);
    expect(connect?.count).toBe(view.connections);
    expect(view.connections).toBeLessThan(40);
    expect(view.tokens_per_second?.p50).toBeGreaterThan(0);
    // Later messages carry the earlier ones: without them 40 prompts of about 175 tokens would be 7,000.
    expect(view.tokens.input).toBeGreaterThan(12_000);
    const [head, ...lines] = b.read('load.csv').trimEnd().split('\n');
    expect(head).toMatch(/^second,users,in_flight,wanted_per_second,sent,succeeded,rate_limited,failed,/);
    expect(lines.reduce((sum, line) => sum + Number(line.split(',')[5]), 0)).toBe(40);
    const page = b.read('load.html');
    for (const part of [
      'Load test of the simulator',
      'id="times-data"',
      'id="first-token-data"',
      'By kind of request',
    ]) {
      expect(page).toContain(part);
    }
  });

  test('the tier is the one that was asked for', async () => {
    const b = await bench();
    const view = await viewOf(b, 0, [...SHORT, '--tier', 'tier_1', '--message-latency', '1ms'], NO_KEY);
    expect(view.limits[0]).toMatchObject({
      requests: { per_minute: 50, source: 'headers' },
      output_tokens: { per_minute: 10_000, source: 'headers' },
    });
  });

  test('what it may cost is a bound there too', async () => {
    const b = await bench();
    const view = await viewOf(b, 0, ['--max-cost', '0.002', '--message-latency', '1ms'], NO_KEY);
    expect(view.ended_by).toBe('max_cost');
    expect(view.cost_usd.total).toBeGreaterThan(0);
    expect(view.cost_usd.total).toBeLessThanOrEqual(0.002);
    expect(view.cost_usd.charged).toBe(false);
  });

  test('a page that other machines can reach is said to be not encrypted, one of this machine is not', async () => {
    const b = await bench();
    const args = [
      'loadtest',
      '--users',
      '1',
      '--max-requests',
      '3',
      '--message-latency',
      '1ms',
      '--web',
      '--port',
      '0',
    ];
    const open = await b.ok([...args, '--host', '0.0.0.0'], NO_KEY);
    expect(open.stderr).toMatch(/\(--host 0\.0\.0\.0\) and is not encrypted.* ssh -L (\d+):127\.0\.0\.1:\1 /);
    const closed = await b.ok(args, NO_KEY);
    expect(closed.stderr).toContain('The live page: http');
    expect(closed.stderr).not.toContain('not encrypted');
  });

  test('a threshold that is passed is exit 3, one that is kept is not', async () => {
    const b = await bench();
    const args = [...SHORT, '--message-latency', '30ms'];
    const view = await viewOf(b, 3, [...args, '--fail-if', 'p50>10ms, error_rate>1%'], NO_KEY);
    expect(view.thresholds.map(({ failed }) => failed)).toEqual([true, false]);
    const { stdout } = await b.ok(['loadtest', ...args, '--fail-if', 'p50>20s,rps<0.01'], NO_KEY);
    expect(stdout).toMatch(/Thresholds \(--fail-if\)\n {2}ok +p50>20s +\d+ms\n {2}ok +rps<0\.01/);
  });
});

describe('on an endpoint', () => {
  test('says what it may cost at most, and sends nothing without --yes', async () => {
    const b = await bench();
    const args = [
      'loadtest',
      '--target',
      'api',
      '--model',
      MODEL,
      '--rate',
      '10/s',
      '--arrivals',
      'constant',
      '--duration',
      '2s',
    ];
    const ended = await b.exits(2, [...args, '--json']);
    expect(ended.stdout).toContain('E_NOT_CONFIRMED');
    expect(ended.stderr).toMatch(
      /At most 20 requests to http:\S+ with key sk-ant-…wxyz \(claude-haiku-5-5\): at most \$0\.\d+\./,
    );
    expect(ended.stderr).not.toContain(KEY);
    expect(b.calls()).toBe(0);
  });

  test('--params neither passes the cost that is stated nor --max-cost, with a mix or without', async () => {
    const b = await bench();
    b.write('mix.json', '{"requests":[{"model":"claude-haiku-5-5","prompt":"x","max_tokens":20}]}');
    const common = ['loadtest', '--max-requests', '5', '--users', '1', '--target', b.origin];
    const dear = ['--params', '{"model":"claude-opus-5-5","max_tokens":30000}'];
    const alone = await b.exits(2, [...common, ...dear]);
    // 5 answers of 30,000 tokens at $25 for a million.
    expect(alone.stderr).toMatch(/\(claude-opus-5-5\): at most \$3\.\d+\./);
    const flagged = await b.exits(2, [...common, ...dear, '--model', MODEL, '--max-tokens', '20']);
    expect(flagged.stderr).toMatch(/\(claude-haiku-5-5\): at most \$0\.00\d+\./);
    const view = await viewOf(b, 0, [...common.slice(1), ...dear, '--max-cost', '0.001', '--mix', 'mix.json', '--yes']);
    expect(view.requests.sent).toBeGreaterThan(0);
    for (const { model, outputTokens } of b.world.ledger.messages) {
      expect(model).toBe('claude-haiku-5-5');
      expect(outputTokens).toBeLessThanOrEqual(20);
    }
    const none = await viewOf(b, 3, [...common.slice(1), ...dear, '--max-cost', '0.1', '--yes']);
    expect(none).toMatchObject({ ended_by: 'max_cost', requests: { sent: 0 } });
  });

  test('each request is sent once, with the key, and what comes back is counted', async () => {
    const b = await bench({ faults: { 'message.529': 0.2, 'message.reset_before': 0.2 } });
    const view = await viewOf(b, 0, [...SHORT, ...target(b)]);
    const { succeeded, failed, failures } = view.requests;
    expect(b.calls('messages.create')).toBe(40);
    expect(succeeded + failed).toBe(40);
    expect(failures).toEqual({
      overloaded_error: b.world.faultsFired.get('message.529'),
      connection_econnreset: b.world.faultsFired.get('message.reset_before'),
    });
    expect(view.settings.target).toBe(b.origin);
    const paid = b.world.ledger.messages.reduce((sum, { outputTokens }) => sum + outputTokens, 0);
    expect(view.tokens.output).toBe(paid);
    expect(view.cost_usd).toMatchObject({ charged: true, total: expect.any(Number) });
  });

  test('429s are apart from failures, with the limit that they imply', async () => {
    const b = await bench({ limits: { messages: { rpm: 25 } } });
    const view = await viewOf(b, 3, [...SHORT, ...target(b), '--fail-if', 'rate_limited>0.5%']);
    // The bucket of a minute lets 25 through, and hardly more comes while the test lasts.
    expect(view.requests.succeeded).toBeGreaterThanOrEqual(25);
    expect(view.requests.rate_limited).toBe(40 - view.requests.succeeded);
    expect(view.requests.failed).toBe(0);
    expect(view.limits[0]).toMatchObject({ bound_by: 'requests', requests: { per_minute: 25, source: 'headers' } });
    expect(view.findings.join('\n')).toContain('25 requests a minute, as the headers say');
  });

  test('steps find the knee', async () => {
    const b = await bench({ limits: { messages: { rpm: 300 } }, switches: { burstMs: 1_000 } });
    const args = ['--rate', '1/s-40/s', '--arrivals', 'steps', '--duration', '9s', ...target(b)];
    const view = await viewOf(b, 0, args);
    expect(view.by_stage.map((stage) => stage.rate_per_second)).toEqual([1, 6.325, 40].slice(0, view.by_stage.length));
    expect(view.knee).toMatchObject({ bound_by: 'requests' });
    expect(view.knee?.first_refused_per_second).toBeGreaterThan(5);
    expect(view.limits[0]?.requests).toEqual({ per_minute: 300, source: 'headers' });
  });

  test('a mix of models and sizes, by their shares', async () => {
    const b = await bench();
    const mix = `requests:
  - { model: claude-haiku-5-5, share: 3, prompt_tokens: 400, max_tokens: 20 }
  - { model: claude-sonnet-5-5, share: 1, prompt: 'Say something short', max_tokens: 50, system: 'Be brief.' }
`;
    b.write('mix.yaml', mix);
    const args = ['--users', '4', '--max-requests', '200', '--mix', 'mix.yaml', '--target', b.origin, '--yes'];
    const view = await viewOf(b, 0, args);
    const [one, other] = ['claude-haiku-5-5', 'claude-sonnet-5-5'].map((model) =>
      view.by_request.find(({ name }) => name === model),
    );
    expect((one?.sent ?? 0) + (other?.sent ?? 0)).toBe(200);
    expect(one?.sent).toBeGreaterThan(115);
    expect(one?.sent).toBeLessThan(185);
    const seen = b.world.ledger.messages.filter(({ model }) => model === 'claude-sonnet-5-5').length;
    expect(other?.sent).toBe(seen);
    expect(view.limits.map(({ model }) => model).sort()).toEqual(['claude-haiku-5-5', 'claude-sonnet-5-5']);
  });

  test('rows of a file as requests, with --prompt as submit takes it', async () => {
    const b = await bench();
    b.write('in.csv', csv(20));
    b.write('in.jsonl', requests(5));
    const common = ['--users', '2', '--max-requests', '30', ...target(b)];
    await viewOf(b, 0, ['in.csv', ...common, '--max-tokens', '50', '--prompt', 'Classify: {{text}}']);
    await viewOf(b, 0, ['in.jsonl', ...common]);
    expect(b.calls('messages.create')).toBe(60);
    const refused = await b.exits(2, ['loadtest', 'in.csv', ...common, '--prompt', '{{nothing}}', '--json']);
    expect(refused.stdout).toContain('E_TEMPLATE');
  });

  test('a server that never answers: the timeout ends it, and nothing succeeded is exit 3', async () => {
    const b = await bench();
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    onTestFinished(() => void silent.close());
    onTestFinished(() => silent.closeAllConnections());
    const address = silent.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const args = ['--users', '2', '--max-requests', '4', '--timeout', '200ms', '--yes', '--model', MODEL];
    const view = await viewOf(b, 3, [...args, '--target', `http://127.0.0.1:${port}`]);
    expect(view.requests).toMatchObject({ sent: 4, succeeded: 0, failed: 4, failures: { timeout: 4 } });
    expect(view.cost_usd.uncertain).toBeGreaterThan(0);
  });

  test('nobody there, or a key that is refused: it ends early', async () => {
    const b = await bench({ keys: { other: { workspace: 'wrkspc_1' } }, strictKeys: true });
    const view = await viewOf(b, 3, ['--users', '2', '--max-requests', '5000', ...target(b)]);
    expect(view.ended_by).toBe('nothing_succeeds');
    expect(view.requests.failures).toHaveProperty('authentication_error');
    await b.offline();
    const offline = await viewOf(b, 3, ['--users', '2', '--max-requests', '5000', ...target(b)]);
    expect(offline.requests.failures).toHaveProperty('connection_econnrefused');
    expect(offline.requests.sent).toBeLessThan(100);
  });

  test('Ctrl-C ends the load and prints what was measured', async () => {
    const b = await bench({ messageLatencyMs: [20, 40] });
    const args = ['loadtest', '--users', '3', '--duration', '10m', '--max-requests', '100000', ...target(b)];
    const running = b.start([...args, '--fail-if', 'p50>1m']);
    await running.says(/5s of 10m/);
    running.kill('SIGINT');
    const ended = await running.ended;
    expect(ended.code).toBe(130);
    expect(ended.stdout).toMatch(/ended by stopped: claude-haiku-5-5/);
    expect(ended.stdout).toMatch(/ok +p50>1m/);
    const sent = Number(/([\d,]+) requests:/.exec(ended.stdout)?.[1]?.replaceAll(',', ''));
    expect(sent).toBe(b.calls('messages.create'));
  });
});

test.each([
  ['--target', ['--target', 'https://user:s3cret@example.com'], {}],
  ['ANTHROPIC_BASE_URL', ['--target', 'api'], { ANTHROPIC_BASE_URL: 'https://user:s3cret@example.com' }],
])('a password in %s is refused, and not repeated', async (of, args, env) => {
  const b = await bench();
  const common = ['loadtest', '--model', MODEL, '--users', '1', '--max-requests', '1', '--json'];
  const ended = await b.exits(2, [...common, ...args], { env });
  expect(ended.stdout).toContain('"code":"E_USAGE"');
  expect(ended.stdout).toContain(`${of} has a name or a password in its address`);
  expect(ended.stdout + ended.stderr).not.toContain('s3cret');
});

describe('refuses before anything is sent:', () => {
  test.each([
    ['a threshold that is not known', ['--fail-if', 'p96>1s'], 'E_USAGE', 'did you mean'],
    ['a time to the first token without --stream', ['--fail-if', 'ttft_p95>1s'], 'E_USAGE', '--stream'],
    ['users and a rate', ['--users', '5', '--rate', '5/s'], 'E_USAGE', '--rate cannot both be given'],
    ['arrivals of users', ['--users', '5', '--arrivals', 'ramp'], 'E_USAGE', 'there is no --rate'],
    ['a ramp with one rate', ['--rate', '5/s', '--arrivals', 'ramp'], 'E_USAGE', 'needs two rates'],
    ['two rates at random', ['--rate', '5/s-9/s'], 'E_USAGE', 'Add --arrivals ramp'],
    ['steps that go down', ['--rate', '9/s-5/s', '--arrivals', 'steps'], 'E_USAGE', 'goes up'],
    ['a target that is none', ['--target', 'prod'], 'E_USAGE', '--target is none of'],
    ['the tier of a real account', ['--target', 'api', '--tier', 'start'], 'E_USAGE', 'about the simulator'],
    ['no model where it is paid', ['--target', 'api'], 'E_NO_MODEL', '--model is missing'],
    ['users that nothing bounds', ['--target', 'api', '--model', MODEL, '--yes'], 'E_USAGE', 'nothing bounds'],
    [
      'a cap that cannot be kept',
      ['--target', 'api', '--model', 'my-model', '--yes', '--max-cost', '1'],
      'E_USAGE',
      'no realtime price of my-model',
    ],
    ['a mix that is not there', ['--mix', 'none.yaml'], 'E_CONFIG', 'is not there'],
    ['a mix with a slip', ['--mix', 'bad.json'], 'E_CONFIG', 'did you mean share?'],
    ['max_tokens that are none', ['--params', '{"max_tokens":"many"}'], 'E_USAGE', 'of --params must be a whole'],
    ['a mix beside prompts', ['--mix', 'bad.json', '--prompt', 'x'], 'E_USAGE', 'cannot be given beside it'],
    ['more than a day', ['--duration', '25h'], 'E_USAGE', 'at most a day'],
    ['more than a million requests', ['--rate', '1000/s', '--duration', '1h'], 'E_USAGE', 'more than 1000000 requests'],
  ])('%s', async (_what, args, code, words) => {
    const b = await bench();
    b.write('bad.json', '{"requests":[{"model":"m","prompt":"x","shar":1}]}');
    const ended = await b.exits(2, ['loadtest', ...args, '--json']);
    expect(ended.stdout).toContain(`"code":"${code}"`);
    expect(ended.stdout).toContain(words);
    expect(b.calls()).toBe(0);
  });
});
