/**
 * `batchrun serve` as programs meet it: who may ask, what every answer says to a browser, what is bounded, and how it
 * begins and ends. What a person sees is in test/browser.
 */
import { request } from 'node:http';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { bench, ENDLESS, requests, type Bench, type CallOptions, type Running } from '../support/cli.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';
const BEARER = { authorization: `Bearer ${TOKEN}` };

interface Server {
  readonly running: Running;
  readonly origin: string;
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Response>;
  readonly post: (path: string, body?: unknown, headers?: Record<string, string>) => Promise<Response>;
}

async function serve(b: Bench, args: readonly string[] = [], options: CallOptions = {}): Promise<Server> {
  const env = { BATCHRUN_TOKEN: TOKEN, ...options.env };
  const running = b.start(['serve', '--port', '0', ...args], { ...options, env });
  await running.says(/#token=\S+\n/, 'stdout');
  const { origin } = new URL(running.stdout.trim());
  return {
    running,
    origin,
    get: (path, headers = {}) => fetch(origin + path, { headers }),
    post: (path, body = {}, headers = BEARER) =>
      fetch(origin + path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      }),
  };
}

/** A request with any head, also one that fetch would not send. */
async function raw(origin: string, path: string, headers: Record<string, string>, method = 'GET'): Promise<number> {
  const { hostname, port } = new URL(origin);
  const sent = request({ hostname, port, path, method, headers });
  sent.end();
  const [answer] = (await once(sent, 'response')) as [{ statusCode: number; resume: () => void }];
  answer.resume();
  return answer.statusCode;
}

async function failedRun(): Promise<{ readonly b: Bench; readonly id: string }> {
  const b = await bench({ rates: { errorRate: 1 } });
  b.write('in.jsonl', requests(6, 'a secret'));
  await b.exits(3, ['run', 'in.jsonl', '--retry-lane', 'none', '--max-attempts', '1']);
  return { b, id: (await b.json(0, ['status'])).runs[0].id };
}

describe('beginning and end', () => {
  test('prints the address with its token on stdout, and ends with Ctrl-C', async () => {
    const b = await bench();
    const running = b.start(['serve', '--port', '0']);
    await running.says(/Ctrl-C/);
    expect(running.stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{32}\n$/);
    running.kill('SIGINT');
    expect(await running.ended).toMatchObject({ code: 130 });
    // Looking makes no state.
    expect(b.has('.batchrun')).toBe(false);
  });

  test('each start draws another token, unless one is given', async () => {
    const b = await bench();
    const tokens = new Set<string>();
    for (let nth = 0; nth < 2; nth++) {
      const running = b.start(['serve', '--port', '0']);
      await running.says(/#token=\S+\n/, 'stdout');
      tokens.add(running.stdout.split('#')[1] ?? '');
    }
    expect(tokens.size).toBe(2);
    const { running } = await serve(b);
    expect(running.stdout).toContain(`#token=${TOKEN}\n`);
  });

  test('refuses a token that can be guessed', async () => {
    const b = await bench();
    const { stderr } = await b.exits(2, ['serve', '--port', '0'], { env: { BATCHRUN_TOKEN: 'secret' } });
    expect(stderr).toContain('BATCHRUN_TOKEN');
    expect(stderr).not.toContain('"secret"');
  });

  test('ends the commands that it has started, and they leave the state as it is', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl']);
    const [{ id }] = (await b.json(0, ['status'])).runs;
    const { post, running } = await serve(b);
    expect((await post(`/api/runs/${id}/collect`)).status).toBe(202);
    await expect.poll(async () => (await b.json(0, ['status'])).driver !== null).toBe(true);
    running.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 143 });
    const after = await b.json(0, ['status']);
    expect(after.driver).toBeNull();
    expect(after.runs[0].rows['in_batch']).toBe(3);
  });
});

describe('who may ask', () => {
  test('another name for this address is refused: a site cannot make its own name point here', async () => {
    const { origin } = await serve(await bench());
    const { port } = new URL(origin);
    for (const path of ['/', '/api/session', '/api/stream']) {
      expect(await raw(origin, path, { host: `evil.example:${port}` })).toBe(421);
    }
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, 'localhost:9999']) {
      expect(await raw(origin, '/api/session', { host })).toBe(200);
    }
  });

  test('another site that asks through a browser is refused, with the right token too', async () => {
    const { origin, get } = await serve(await bench());
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
    ]) {
      const merged = { ...BEARER, ...headers } as Record<string, string>;
      expect(await raw(origin, '/api/session', { host: new URL(origin).host, ...merged })).toBe(403);
    }
    expect((await get('/api/session', { origin })).status).toBe(200);
    // A link that somebody follows.
    const visit = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', host: new URL(origin).host };
    expect(await raw(origin, '/', visit)).toBe(200);
  });

  test('a wrong token is none, however near it is', async () => {
    const { b, id } = await failedRun();
    const { get, post } = await serve(b);
    for (const token of ['', 'x', TOKEN.slice(1), `${TOKEN}x`, TOKEN.toUpperCase()]) {
      const headers = { authorization: `Bearer ${token}` };
      expect((await get(`/api/runs/${id}/rows/0/texts`, headers)).status).toBe(401);
      expect((await post(`/api/runs/${id}/retry`, { states: ['failed'] }, headers)).status).toBe(401);
    }
    expect((await get(`/api/runs/${id}/rows/0/texts`, BEARER)).status).toBe(200);
  });

  test('a look is free on this machine; ids and texts are not in it', async () => {
    const { b, id } = await failedRun();
    const { get } = await serve(b);
    const paths = [
      '',
      '/chunks',
      '/chunks/1',
      '/timeline',
      '/reasons',
      '/log',
      '/failures?reason=api_error',
      '/rows/0',
    ];
    for (const path of paths) {
      const answer = await get(`/api/runs/${id}${path}`);
      expect(answer.status, path).toBe(200);
      const text = await answer.text();
      expect(text, path).not.toContain('a secret');
      expect(text, path).not.toContain('row-1');
    }
    expect(await (await get(`/api/runs/${id}/rows/0`, BEARER)).json()).toMatchObject({ id: 'row-1', line: 1 });
    expect(await (await get(`/api/runs/${id}/rows/0/texts`, BEARER)).text()).toContain('a secret 1');
  });

  test('reached from elsewhere, everything but the empty page needs the token', async () => {
    const { b, id } = await failedRun();
    const { running, get, origin } = await serve(b, ['--host', '0.0.0.0']);
    await running.says(/not encrypted/);
    const port = new URL(origin).port;
    await running.says(new RegExp(`ssh -L ${port}:127.0.0.1:${port} `));
    for (const path of [`/api/runs/${id}`, `/api/runs/${id}/log`, '/api/stream']) {
      expect((await get(path)).status, path).toBe(401);
    }
    expect(await (await get('/api/session')).json()).toMatchObject({ reading: false, state: null });
    expect((await get(`/api/runs/${id}`, BEARER)).status).toBe(200);
    expect((await get('/')).status).toBe(200);
    expect(await raw(origin, '/', { host: 'evil.example' })).toBe(421);
    expect(await raw(origin, '/', { host: '192.0.2.7:7700' })).toBe(200);
  });
});

describe('what every answer says', () => {
  test('nothing from elsewhere is run, framed, guessed at or kept', async () => {
    const { get } = await serve(await bench());
    for (const path of ['/', '/app.js', '/style.css', '/vendor/uplot.js', '/api/session', '/nothing/here']) {
      const { headers } = await get(path);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy, path).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';/);
      for (const part of ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", 'require-trusted-types']) {
        expect(policy, path).toContain(part);
      }
      expect(policy).not.toMatch(/unsafe|\*/);
      expect(Object.fromEntries(headers), path).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'cache-control': 'no-store',
      });
    }
  });

  test('the page has no script or style of its own in it, and nothing of another server', async () => {
    const { get } = await serve(await bench());
    const html = await (await get('/')).text();
    expect(html).not.toMatch(/<style|style=|<script>|\son\w+=|https?:/);
    const files = [...html.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, path]) => path ?? '');
    expect(files.length).toBeGreaterThan(4);
    for (const path of files) expect((await get(path)).status, path).toBe(200);
  });

  test('keys are in no answer', async () => {
    const { b, id } = await failedRun();
    const { get } = await serve(b);
    for (const path of ['/api/session', `/api/runs/${id}`, `/api/runs/${id}/log`]) {
      expect(await (await get(path, BEARER)).text()).not.toContain('TESTKEY');
    }
  });
});

describe('what comes in', () => {
  test('must be a small JSON object, and say so', async () => {
    const { b, id } = await failedRun();
    const { post, origin } = await serve(b);
    const path = `/api/runs/${id}/retry`;
    expect((await post(path, { states: ['failed'] }, { ...BEARER, 'content-type': 'text/plain' })).status).toBe(415);
    expect((await post(path, 'no json')).status).toBe(400);
    expect((await post(path, '[]')).status).toBe(400);
    expect((await post(path, { states: [] })).status).toBe(400);
    expect((await post(path, { states: ['succeeded'] })).status).toBe(400);
    expect((await post(path, { states: ['x'.repeat(20_000)] })).status).toBe(413);
    const host = new URL(origin).host;
    const json = { ...BEARER, host, 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    expect(await raw(origin, path, json, 'POST')).toBe(411);
    expect((await b.json(0, ['status'])).runs[0].state).toBe('done');
  });

  test('asks for what is there, in the right way', async () => {
    const { b, id } = await failedRun();
    const { get, post } = await serve(b);
    expect((await get('/api/runs/run_nobody')).status).toBe(404);
    expect((await get(`/api/runs/${id}/rows/999999`)).status).toBe(404);
    expect((await get(`/api/runs/${id}/rows/x`)).status).toBe(400);
    expect((await get(`/api/runs/${id}/chunks/99`)).status).toBe(404);
    expect((await get('/../package.json')).status).toBe(404);
    expect((await get('/%2e%2e/package.json')).status).toBe(404);
    expect((await get(`/api/runs/${id}/cancel`, BEARER)).status).toBe(405);
    expect((await post('/api/session')).status).toBe(405);
    expect((await get(`/${'x'.repeat(3_000)}`)).status).toBe(414);
  });

  test('a cancel of a run of another base URL changes nothing', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl']);
    const { id } = (await b.json(0, ['status'])).runs[0];
    const { get, post } = await serve(b, [], { env: { ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' } });
    expect((await post(`/api/runs/${id}/cancel`)).status).toBe(202);
    const stream = await get('/api/stream', BEARER);
    let text = '';
    for await (const bytes of stream.body ?? []) {
      text += Buffer.from(bytes).toString();
      if (/"exit":\d/.test(text)) break;
    }
    expect(text).toContain('"exit":2');
    expect(text).toContain('the base URL is http://127.0.0.1:9');
    expect((await b.json(0, ['status'])).runs[0].state).toBe('active');
  });

  test('an action that is not possible says why', async () => {
    const { b, id } = await failedRun();
    const { post } = await serve(b, [], { env: { ANTHROPIC_API_KEY: undefined } });
    const done = (await (await post(`/api/runs/${id}/cancel`)).json()) as { error: { message: string } };
    expect(done.error.message).toBe('It is done already.');
    const answer = await post(`/api/runs/${id}/retry`, { states: ['failed'] });
    expect(answer.status).toBe(409);
    expect(await answer.text()).toContain('ANTHROPIC_API_KEY');
  });
});

describe('downloads', () => {
  test('have a ticket that is good once, and are what the command line gives', async () => {
    const { b, id } = await failedRun();
    const { get, post } = await serve(b);
    expect((await post(`/api/runs/${id}/downloads`, { what: 'output' }, {})).status).toBe(401);
    expect((await post(`/api/runs/${id}/downloads`, { what: '../state.db' })).status).toBe(400);
    for (const [body, args] of [
      [{ what: 'results', format: 'csv' }, ['--format', 'csv']],
      [{ what: 'results', format: 'flat' }, ['--format', 'flat']],
      [{ what: 'results' }, []],
    ] as const) {
      const { path } = (await (await post(`/api/runs/${id}/downloads`, body)).json()) as { path: string };
      const saved = await get(path);
      expect(saved.headers.get('content-disposition')).toMatch(/^attachment; filename="run_\w+\.results\.\w+"/);
      expect(await saved.text()).toBe((await b.ok(['results', 'latest', ...args])).stdout);
      expect((await get(path)).status).toBe(410);
    }
    const { path } = (await (await post(`/api/runs/${id}/downloads`, { what: 'errors' })).json()) as { path: string };
    b.write('again.jsonl', await (await get(path)).text());
    b.world.setRates({ errorRate: 0 });
    await b.ok(['run', 'again.jsonl', '--again', '-o', 'mended.jsonl']);
    expect(b.lines('mended.jsonl')).toHaveLength(6);
  });
});

describe('the stream', () => {
  test('goes on where a reader was cut off', async () => {
    const { b, id } = await failedRun();
    const { get } = await serve(b);
    const first = await someOf(await get(`/api/stream?run=${id}`), /event: log\ndata: .*\n\n/);
    const ids = [...first.matchAll(/"id":(\d+)/g)].map(([, one]) => Number(one));
    const [, start = '', last = ''] = /id: (.+:)(\d+)\nevent: log/.exec(first) ?? [];
    expect(Number(last)).toBe(Math.max(...ids));
    const before = Number(last) - 2;
    const again = await someOf(
      await get(`/api/stream?run=${id}`, { 'last-event-id': `${start}${before}` }),
      /event: log\ndata: .*\n\n/,
    );
    expect([...again.matchAll(/"id":(\d+)/g)].map(([, one]) => Number(one))).toEqual([Number(last) - 1, Number(last)]);
  });

  test('has no headers to look at: that would hold a place for ever', async () => {
    const { origin } = await serve(await bench());
    const look = await fetch(`${origin}/api/stream`, { method: 'HEAD', signal: AbortSignal.timeout(10_000) });
    expect(look.status).toBe(404);
  });

  test('has room for so many readers and no more, and room again when one goes', async () => {
    const { get } = await serve(await bench());
    const readers: Response[] = [];
    for (let nth = 0; nth < 16; nth++) readers.push(await get('/api/stream'));
    expect(readers.map(({ status }) => status)).toEqual(Array.from({ length: 16 }, () => 200));
    expect((await get('/api/stream')).status).toBe(503);
    await readers[0]?.body?.cancel();
    await expect
      .poll(async () => {
        const answer = await get('/api/stream');
        await answer.body?.cancel();
        return answer.status;
      })
      .toBe(200);
    for (const reader of readers.slice(1)) await reader.body?.cancel();
  });
});

/** Reads a stream until it has said this, and lets it go. */
async function someOf(answer: Response, pattern: RegExp): Promise<string> {
  expect(answer.status).toBe(200);
  let text = '';
  for await (const piece of answer.body ?? []) {
    text += Buffer.from(piece as Uint8Array).toString();
    if (pattern.test(text)) return text;
  }
  throw new Error(`the stream ended without saying ${String(pattern)}: ${text}`);
}
