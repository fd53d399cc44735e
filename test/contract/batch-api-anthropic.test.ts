/**
 * The Claude API client keeps the contract of `BatchApi` over a socket and in memory; and what only it decides:
 * credentials, base URL and workspace, time limits, what goes over the wire.
 */
/* eslint-disable no-restricted-syntax -- the SDK's own time limits hang on setTimeout and on no clock of ours */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectAnthropic, type AnthropicApiOptions, type ApiIdentity } from '../../src/adapters/anthropic/api.ts';
import { createNodeFetch } from '../../src/adapters/anthropic/node-fetch.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { BatchApi } from '../../src/domain/ports.ts';
import { simFetch } from '../../src/tools/sim/fetch.ts';
import { startSimServer } from '../../src/tools/sim/server.ts';
import { createSimWorld } from '../../src/tools/sim/world.ts';
import { createMemoryFiles } from '../support/memory-files.ts';
import { tempFolder } from '../support/temp.ts';
import { errorOf, failureOf, sha256, turn, type Connection, type Seen } from './batch-api.lab.ts';
import { batchApiSuite } from './batch-api.suite.ts';
import { put } from './files.suite.ts';

const never = new AbortController().signal;
const silent = new Writable({ write: (_chunk, _encoding, done) => done() });

/** A fetch that notes what it was asked for. */
function noting(seen: Seen[], inner: typeof fetch): typeof fetch {
  return (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    seen.push({ url, method: init?.method?.toUpperCase() ?? 'GET', headers: new Headers(init?.headers) });
    return inner(input, init);
  };
}

batchApiSuite('the SDK over HTTP', async ({ world, files, clock, apiKey }) => {
  const server = await startSimServer(world, { port: 0 });
  const seen: Seen[] = [];
  const inner = createNodeFetch({ clock });
  const options = { files, clock, apiKey, stderr: silent, baseURL: server.origin, fetch: noting(seen, inner) };
  const { api } = await connectAnthropic(options);
  return { api, seen, close: () => server.close() } satisfies Connection;
});

batchApiSuite('the SDK over the fetch of Node', async ({ world, files, clock, apiKey }) => {
  const server = await startSimServer(world, { port: 0 });
  const seen: Seen[] = [];
  const options = { files, clock, apiKey, stderr: silent, baseURL: server.origin, fetch: noting(seen, fetch) };
  const { api } = await connectAnthropic(options);
  return { api, seen, close: () => server.close() } satisfies Connection;
});

batchApiSuite('the SDK in memory', async ({ world, files, clock, apiKey }) => {
  const seen: Seen[] = [];
  const inner = simFetch(world);
  const options = { files, clock, apiKey, stderr: silent, baseURL: 'http://sim.test', fetch: noting(seen, inner) };
  const { api } = await connectAnthropic(options);
  return { api, seen, close: () => Promise.resolve() } satisfies Connection;
});

/** The environment of a machine where nobody has set anything up. */
beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('ANTHROPIC_')) vi.stubEnv(name, undefined);
  const home = tempFolder();
  vi.stubEnv('HOME', home);
  vi.stubEnv('XDG_CONFIG_HOME', home);
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
});

function connect(more: Partial<AnthropicApiOptions> = {}): Promise<ApiIdentity> {
  const files = createMemoryFiles().files();
  return connectAnthropic({ files, clock: new VirtualClock(), stderr: silent, ...more });
}

/** Answers every call with this. */
function answering(body: string, init: ResponseInit = {}): typeof fetch {
  return () => Promise.resolve(new Response(body, { headers: { 'content-type': 'application/json' }, ...init }));
}

function throwing(error: Error): typeof fetch {
  return () => Promise.reject(error);
}

function list(api: BatchApi): Promise<unknown> {
  return api.listBatches({ afterId: null, limit: 5, signal: never });
}

describe('who calls and where', () => {
  test('the key and the base URL come from the environment as with every SDK', async () => {
    vi.stubEnv('ANTHROPIC_API_KEY', 'sk-ant-api03-FROMENVIRONMENT');
    vi.stubEnv('ANTHROPIC_BASE_URL', 'https://gateway.example');
    const { api, baseUrl, credential } = await connect();
    expect({ baseUrl, credential }).toEqual({
      baseUrl: 'https://gateway.example',
      credential: 'sk-ant-api03-FROMENVIRONMENT',
    });
    expect(api.origin).toBe('https://gateway.example');
  });

  test('without anything set the calls go to the API itself', async () => {
    const { baseUrl } = await connect({ apiKey: 'k' });
    expect(baseUrl).toBe('https://api.anthropic.com');
  });

  test('without credentials it is E_CREDENTIALS, and nothing is sent', async () => {
    const seen: Seen[] = [];
    const error = await errorOf(connect({ fetch: noting(seen, answering('{}')) }));
    expect(error).toMatchObject({ code: 'E_CREDENTIALS', exit: 2 });
    expect(seen).toEqual([]);
  });

  test('the workspace is the header where one is set, else a fingerprint of the key that does not show it', async () => {
    const first = (await connect({ apiKey: 'sk-ant-one' })).api.workspace;
    expect(first).toMatch(/^key_[0-9a-f]{16}$/);
    expect((await connect({ apiKey: 'sk-ant-one' })).api.workspace).toBe(first);
    expect((await connect({ apiKey: 'sk-ant-two' })).api.workspace).not.toBe(first);
    vi.stubEnv('ANTHROPIC_CUSTOM_HEADERS', 'anthropic-workspace-id: wrkspc_77');
    expect((await connect({ apiKey: 'sk-ant-one' })).api.workspace).toBe('wrkspc_77');
  });

  test('one base URL has one origin, however it is written', async () => {
    const origins = ['https://gw.example', 'https://gw.example/', 'https://GW.example:443'].map(
      async (baseURL) => (await connect({ apiKey: 'k', baseURL })).api.origin,
    );
    expect(new Set(await Promise.all(origins))).toEqual(new Set(['https://gw.example']));
  });

  test('a base URL that is none is refused before anything is sent', async () => {
    const seen: Seen[] = [];
    const error = await errorOf(connect({ apiKey: 'k', baseURL: 'not a url', fetch: noting(seen, answering('{}')) }));
    expect(error).toMatchObject({ exit: 2 });
    expect(seen).toEqual([]);
  });

  test.each(['/v1', '/v1/', '/v1/messages', '/v1/messages/batches'])(
    'a base URL with the path that every call adds (%s) is refused, and the right one is named',
    async (path) => {
      const error = await errorOf(connect({ apiKey: 'k', baseURL: `https://gw.example/team${path}` }));
      expect(error).toMatchObject({
        code: 'E_CONFIG',
        exit: 2,
        hint: 'Set ANTHROPIC_BASE_URL to https://gw.example/team.',
      });
    },
  );

  test.each(['sk-ant-api03-FIRSTHALF\nSECONDHALF', 'sk-ant-…'])(
    'a key that no header takes (%j) is E_CREDENTIALS, and nothing of it is said',
    async (apiKey) => {
      const error = await errorOf(connect({ apiKey }));
      expect(error).toMatchObject({ code: 'E_CREDENTIALS', exit: 2 });
      expect(inspect(error)).not.toMatch(/HALF|sk-ant|8230/);
    },
  );

  test('behind a base URL with a path every call stays below that path, the results too', async () => {
    const clock = new VirtualClock();
    const world = createSimWorld({ batchDurationMs: [1_000, 1_000] }, clock);
    const inner = simFetch(world);
    const seen: Seen[] = [];
    // A gateway that takes its prefix away and hands the host on.
    const gateway: typeof fetch = (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input);
      if (!url.pathname.startsWith('/claude/')) return answering('{"error":"no route"}', { status: 404 })(input);
      url.pathname = url.pathname.slice('/claude'.length);
      return inner(url, init);
    };
    const files = createMemoryFiles().files();
    const baseURL = 'http://gw.example/claude';
    const { api } = await connect({ apiKey: 'k', baseURL, files, clock, fetch: noting(seen, gateway) });
    const text =
      '{"requests":[{"custom_id":"a","params":{"model":"claude-haiku-5-5","max_tokens":9,"messages":[{"role":"user","content":"x"}]}}]}';
    await put(files, 'body', text);
    const upload = {
      bodyPath: 'body',
      bytes: text.length,
      sha256: sha256(text),
      betas: [],
      beforeTail: () => Promise.resolve(),
      signal: never,
    };
    const { id } = await api.createBatch(upload);
    clock.advance(60_000);
    const batch = await api.retrieveBatch(id, never);
    await list(api);
    let lines = '';
    for await (const piece of api.streamResults(batch, never)) lines += piece.toString();
    expect(lines.split('\n')).toHaveLength(2);
    expect(seen.filter((one) => !one.url.startsWith(`${baseURL}/v1/`))).toEqual([]);
  });
});

describe('what goes over the wire', () => {
  test('all but the last two bytes leave first, and the tail only when it may', async () => {
    const text = JSON.stringify({
      requests: Array.from({ length: 2_000 }, (_, at) => ({ custom_id: `r-${at}`, params: {} })),
    });
    let received = '';
    let waiting: (() => void) | undefined;
    const server = createServer((request, response) => {
      request.on('data', (piece: Buffer) => {
        received += piece.toString();
        if (received.length >= text.length - 2) waiting?.();
      });
      request.on('end', () =>
        response.writeHead(400).end(JSON.stringify({ length: request.headers['content-length'] })),
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const files = createMemoryFiles({ streamBytes: 777 }).files();
    await put(files, 'body', text);
    const { api } = await connect({ apiKey: 'k', baseURL: `http://127.0.0.1:${port}`, files });
    let atTail = '';
    const beforeTail = async (): Promise<void> => {
      await new Promise<void>((resolve) => {
        waiting = resolve;
        if (received.length >= text.length - 2) resolve();
      });
      for (let nth = 0; nth < 10; nth++) await turn();
      atTail = received;
    };
    const upload = { bodyPath: 'body', bytes: text.length, sha256: sha256(text), betas: [], beforeTail, signal: never };
    await failureOf(api.createBatch(upload));
    server.closeAllConnections();
    server.close();
    expect(atTail).toBe(text.slice(0, -2));
    expect(received).toBe(text);
  });

  test('a port where nobody listens was never reached', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    server.close();
    await once(server, 'close');
    const { api } = await connect({ apiKey: 'k', baseURL: `http://127.0.0.1:${port}` });
    expect(await failureOf(list(api))).toMatchObject({
      connection: 'never_made',
      status: null,
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('an answer that does not come in time is a timeout, for a create only after ten minutes', async () => {
    const clock = new VirtualClock();
    const world = createSimWorld({}, clock);
    const files = createMemoryFiles().files();
    const text = '{"requests":[{"custom_id":"a","params":{}}]}';
    await put(files, 'body', text);
    const { api } = await connect({
      apiKey: 'k',
      baseURL: 'http://sim.test',
      files,
      clock,
      fetch: simFetch(world),
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    world.failNext('create.hang_after');
    let settled = false;
    const upload = {
      bodyPath: 'body',
      bytes: text.length,
      sha256: sha256(text),
      betas: [],
      beforeTail: () => Promise.resolve(),
      signal: never,
    };
    const failed = failureOf(api.createBatch(upload)).finally(() => (settled = true));
    while (world.ledger.batches.length === 0) await turn();
    vi.advanceTimersByTime(600_000);
    for (let nth = 0; nth < 20; nth++) await turn();
    expect(settled).toBe(false);
    vi.advanceTimersByTime(10);
    expect(await failed).toMatchObject({ connection: 'timeout', status: null });
    expect(world.ledger.batches).toHaveLength(1);
  });
});

test('in memory, large results come whole although time flies, and no limit of time strikes', async () => {
  const clock = new VirtualClock();
  const world = createSimWorld({ batchDurationMs: [1_000, 1_000] }, clock);
  const files = createMemoryFiles().files();
  const params = { model: 'claude-haiku-5-5', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] };
  const text = JSON.stringify({
    requests: Array.from({ length: 3_000 }, (_, at) => ({ custom_id: `r-${at}`, params })),
  });
  await put(files, 'body', text);
  const { api } = await connect({
    apiKey: 'k',
    baseURL: 'http://sim.test',
    files,
    clock,
    fetch: simFetch(world),
  });
  const upload = {
    bodyPath: 'body',
    bytes: text.length,
    sha256: sha256(text),
    betas: [],
    beforeTail: () => Promise.resolve(),
    signal: never,
  };
  const work = async (): Promise<number> => {
    const { id } = await api.createBatch(upload);
    await clock.sleep(60_000);
    let lines = 0;
    for await (const piece of api.streamResults(await api.retrieveBatch(id, never), never)) {
      lines += piece.toString().split('\n').length - 1;
    }
    return lines;
  };
  expect(await clock.run(work())).toBe(3_000);
  expect(clock.monotonicMs()).toBe(60_000);
  expect(clock.sleeping).toBe(0);
});

describe('keys', () => {
  const key = 'sk-ant-api03-SECRETSECRETSECRETSECRET';

  test('do not appear in an error, whoever repeats them', async () => {
    const echoed = JSON.stringify({
      type: 'error',
      error: { type: 'authentication_error', message: `invalid x-api-key: ${key}` },
    });
    const cause = Object.assign(new Error(`connect ECONNREFUSED with Bearer ${key}`), { code: 'ECONNREFUSED' });
    const fetches = [
      answering(echoed, { status: 401 }),
      answering(`<html>${key}</html>`, { status: 502, headers: { 'content-type': 'text/html' } }),
      throwing(new TypeError('fetch failed', { cause })),
      throwing(new Error(`bad header: ${key}`)),
      answering(`not json ${key}`),
    ];
    for (const reach of fetches) {
      const { api } = await connect({ apiKey: key, fetch: reach });
      const failure = await failureOf(list(api));
      expect(JSON.stringify(failure)).not.toContain('SECRET');
    }
  });

  test('that cannot be a header are refused without being shown', async () => {
    for (const bad of [`${key}\nmore`, 'plainkeywithoutprefixSECRET\nmore']) {
      const error = (await errorOf(connect({ apiKey: bad }))) as Error;
      expect(error.message).not.toContain('SECRET');
    }
  });
});
