/**
 * What `submit` asks the API before anything is sent: what is refused, what is only told, and what stops nobody.
 */
import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ASK, bench, csv, ENDLESS, jsonl, MODEL, params, requests, type Bench } from '../support/cli.ts';

const LOOK = 'models.retrieve';
const COUNT = 'messages.count_tokens';
const CREATE = 'batches.create';

function expectNothingSent(b: Bench): void {
  expect([b.calls(CREATE), b.calls('messages.create'), b.runFolders()]).toEqual([0, 0, []]);
}

/** A server between the program and the simulator that answers some paths by itself. */
async function proxied(
  b: Bench,
  answer: RequestListener,
  mine: RegExp,
): Promise<{ readonly ANTHROPIC_BASE_URL: string }> {
  const server = createServer((request, response) => {
    if (mine.test(request.url ?? '')) {
      answer(request, response);
      return;
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { host: _host, ...headers } = request.headers as Record<string, string>;
      const body = ['GET', 'HEAD'].includes(request.method ?? '') ? {} : { body: Buffer.concat(chunks) };
      fetch(new URL(request.url ?? '', b.env['ANTHROPIC_BASE_URL']), {
        method: request.method ?? 'GET',
        headers,
        ...body,
      })
        .then(async (reply) => {
          const bytes = Buffer.from(await reply.arrayBuffer());
          response.writeHead(reply.status, { 'content-type': reply.headers.get('content-type') ?? '' }).end(bytes);
        })
        .catch(() => response.destroy());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { ANTHROPIC_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('a good run', () => {
  test('is said to be good in one line, and in --json', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(100));
    const { stderr } = await b.ok(['submit', 'in.jsonl']);
    expect(stderr).toMatch(
      new RegExp(
        `^Preflight: ${MODEL} is active and takes batches; 2[0-3] of 100 rows counted, the longest has \\d+ tokens\\.$`,
        'm',
      ),
    );
    expect(b.calls(LOOK)).toBe(1);
    expect(b.calls(COUNT)).toBeGreaterThanOrEqual(20);
    expect(b.calls(COUNT)).toBeLessThanOrEqual(23);
    b.write('two.jsonl', requests(3));
    expect(await b.json(0, ['submit', 'two.jsonl'])).toMatchObject({
      uploaded: 1,
      preflight: {
        ...{ done: true, stopped: null, warnings: [], longest_tokens: expect.any(Number) },
        models: [{ id: MODEL, state: 'active', takes_batches: true, retires: null, instead: null }],
        sample: { rows: 3, counted: 3, refused: 0 },
      },
    });
  });

  test('that exists already is asked about no more; --quiet, --no-preflight and --dry-run say nothing of it', async () => {
    const b = await bench(ENDLESS);
    b.write('in.csv', csv(3));
    const submit = ['submit', 'in.csv', ...ASK];
    const dry = await b.ok([...submit, '--dry-run']);
    const unasked = await b.json(0, [...submit, '--no-preflight', '--name', 'unasked', '-o', 'unasked.jsonl']);
    expect([dry.stderr.includes('Preflight'), b.calls(LOOK), b.calls(COUNT)]).toEqual([false, 0, 0]);
    expect(unasked).toMatchObject({ preflight: null });
    const quiet = await b.ok([...submit, '--quiet']);
    expect([quiet.stderr, b.calls(LOOK), b.calls(COUNT)]).toEqual(['', 1, 3]);
    expect(await b.json(0, submit)).toMatchObject({ already_submitted: true, preflight: null });
    expect([b.calls(LOOK), b.calls(COUNT)]).toEqual([1, 3]);
  });

  test('works the same with run', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(2));
    const { stderr } = await b.ok(['run', 'in.jsonl']);
    expect(stderr).toMatch(/^Preflight: .* takes batches; 2 rows counted/m);
  });
});

describe('refused before anything is sent', () => {
  test('a model that does not exist, with the nearest name', async () => {
    const b = await bench();
    b.write('in.csv', csv(3));
    const args = ['submit', 'in.csv', ...ASK.slice(2), '--model', 'claude-haiku-5.5'];
    const { error } = await b.json(2, args);
    expect(error).toMatchObject({
      code: 'E_PREFLIGHT',
      message: expect.stringMatching(/no model claude-haiku-5\.5 \(did you mean claude-haiku-5-5\?\)/),
    });
    expectNothingSent(b);
    await b.ok([...args, '--no-preflight']);
    expect(b.calls(CREATE)).toBe(1);
  });

  test('a model that the API has retired, although nobody here knew', async () => {
    const b = await bench();
    b.write('in.csv', csv(3));
    const env = await proxied(
      b,
      (_request, response) => {
        const model = {
          id: MODEL,
          type: 'model',
          lifecycle: 'retired',
          retires_at: '2026-01-05T00:00:00Z',
          capabilities: null,
        };
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(model));
      },
      /\/v1\/models\//,
    );
    const { stderr } = await b.exits(2, ['submit', 'in.csv', ...ASK], { env });
    expect(stderr).toContain(
      `${MODEL} is no longer served (it ended on 2026-01-05); nothing was sent and no run was made`,
    );
    expectNothingSent(b);
  });

  test('rows that the API refuses: by id, line and reason, without their words', async () => {
    const b = await bench();
    const bad = (at: number): object => ({
      custom_id: `bad-${at}`,
      params: params('x', { tools: [{ name: `a long name for a secret tool ${at}` }] }),
    });
    b.write('in.jsonl', `${requests(5)}${jsonl([bad(1), bad(2)])}`);
    const ended = await b.exits(2, ['submit', 'in.jsonl']);
    expect(ended.stderr).toMatch(
      /in\.jsonl:6 \(row bad-1\): the API refuses it: tools\.0\.custom\.input_schema: Field required/,
    );
    expect(ended.stderr).toMatch(
      /2 of 7 rows of the sample that the API was asked about are refused; nothing was sent/,
    );
    expect(ended.stderr).not.toContain('secret tool');
    expectNothingSent(b);
    const printed = await b.json(2, ['submit', 'in.jsonl']);
    expect(printed.error).toMatchObject({
      code: 'E_PREFLIGHT',
      count: 2,
      problems: [
        { id: 'bad-1', line: 6 },
        { id: 'bad-2', line: 7 },
      ],
    });
  });

  test('with --on-invalid skip only where all are refused', async () => {
    const b = await bench(ENDLESS);
    const bad = (at: number): object => ({ custom_id: `bad-${at}`, params: params('x', { tools: [{ name: 'x' }] }) });
    b.write('some.jsonl', `${requests(5)}${jsonl([bad(1)])}`);
    const { stderr } = await b.ok(['submit', 'some.jsonl', '--on-invalid', 'skip']);
    expect(stderr).toMatch(/warning: 1 of 6 rows of the sample would be refused/);
    expect(stderr).toContain('row bad-1');
    b.write('all.jsonl', jsonl([bad(1), bad(2)]));
    expect((await b.exits(2, ['submit', 'all.jsonl', '--on-invalid', 'skip'])).stderr).toMatch(
      /all 2 rows of the sample/,
    );
  });

  test('what a model is known to refuse needs no API, in the reading thread as well; --no-preflight sends it', async () => {
    const b = await bench();
    const row = { params: params('x', { thinking: { type: 'enabled', budget_tokens: 1_024 }, max_tokens: 2_000 }) };
    const long = { params: params('y'.repeat(60_000)) };
    b.write('small.jsonl', jsonl([row]));
    b.write('large.jsonl', jsonl([...Array.from({ length: 300 }, () => long), row]));
    for (const [file, line] of [
      ['small.jsonl', 1],
      ['large.jsonl', 301],
    ] as const) {
      const { stderr } = await b.exits(2, ['submit', file]);
      expect(stderr).toMatch(
        new RegExp(`${file}:${line}: "${MODEL}" refuses thinking of type "enabled".*--no-preflight`),
      );
    }
    expect(b.calls()).toBe(0);
    await b.ok(['submit', 'small.jsonl', '--no-preflight']);
    await b.ok(['submit', 'large.jsonl', '--no-preflight']);
    expect(b.calls(LOOK)).toBe(0);
  });
});

describe('told and sent', () => {
  test('a model that is deprecated, with its day and its successor', async () => {
    const b = await bench(ENDLESS);
    b.write('in.csv', csv(3));
    const env = await proxied(
      b,
      (_request, response) => {
        const model = { id: 'claude-opus-4-8', lifecycle: 'deprecated', retires_at: '2099-01-05T00:00:00Z' };
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ ...model, capabilities: { batch: { supported: true } } }));
      },
      /\/v1\/models\//,
    );
    const args = ['submit', 'in.csv', ...ASK.slice(2), '--model', 'claude-opus-4-8'];
    const { stderr } = await b.ok(args, { env });
    expect(stderr).toMatch(/Preflight: claude-opus-4-8 is deprecated and takes batches/);
    expect(stderr).toMatch(/warning: claude-opus-4-8 is deprecated and ends on 2099-01-05/);
    expect(b.calls(CREATE)).toBe(1);
  });

  test('a model without batches, where every row is called', async () => {
    const b = await bench();
    b.write('in.csv', csv(3));
    const answer: RequestListener = (_request, response) => {
      const model = { id: MODEL, lifecycle: 'active', capabilities: { batch: { supported: false } } };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(model));
    };
    const env = await proxied(b, answer, /\/v1\/models\//);
    const args = ['submit', 'in.csv', ...ASK];
    const { stderr } = await b.exits(2, args, { env });
    expect(stderr).toContain(`${MODEL} takes no batches; nothing was sent`);
    await b.ok([...args, '--realtime'], { env });
  });

  test.each([
    ['404 of a proxy', 404, '{"detail":"Not Found"}'],
    ['405 of a proxy', 405, ''],
    ['404 in the words of the API', 404, '{"type":"error","error":{"type":"not_found_error","message":"Not Found"}}'],
  ])('%s to both questions: it is said, and the run goes on', async (_name, status, body) => {
    const b = await bench();
    b.write('in.jsonl', requests(3));
    const env = await proxied(
      b,
      (_request, response) => void response.writeHead(status).end(body),
      /count_tokens|\/v1\/models/,
    );
    const ended = await b.call(['submit', 'in.jsonl'], { env });
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stderr).toMatch(/Preflight was not done: /);
    expect(b.calls(CREATE)).toBe(1);
  });

  test('a proxy that only counts is asked to count', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(3));
    const env = await proxied(b, (_request, response) => void response.writeHead(404).end('no'), /\/v1\/models/);
    const { stderr } = await b.ok(['submit', 'in.jsonl'], { env });
    expect(stderr).toMatch(/Preflight: claude-haiku-5-5 is a model that the API says nothing of; 3 rows counted/);
  });

  test('an API that is not there, or refuses the key, is met by the upload as ever', async () => {
    const b = await bench({ strictKeys: true });
    b.write('in.jsonl', requests(3));
    const refused = await b.exits(5, ['submit', 'in.jsonl']);
    expect(refused.stderr).toMatch(/Preflight was not done: 401 authentication_error/);
    expect(refused.stderr).toMatch(/blocked: the API does not accept the key/);
    const gone = await bench();
    gone.write('in.jsonl', requests(3));
    await gone.offline();
    const { stderr } = await gone.exits(4, ['submit', 'in.jsonl', '--give-up', '10ms']);
    expect(stderr).toMatch(/Preflight was not done: no connection/);
  });
});
