/**
 * The client of the load tester on real sockets: what it measures, what it calls a failure, and that it sends once.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLoadClient } from '../../src/adapters/load/client.ts';
import { streamReader } from '../../src/adapters/load/answer-reader.ts';
import { keylessTarget } from '../../src/adapters/load/target.ts';
import type { LoadAnswer, LoadCall, LoadClient } from '../../src/domain/load.ts';

const CALL: LoadCall = { body: '{}', stream: false, betas: [], timeoutMs: 10_000, keepsText: true };
const MESSAGE = {
  ...{ type: 'message', model: 'claude-haiku-5-5-20261001', content: [{ type: 'text', text: 'Yes.' }] },
  usage: { input_tokens: 7, output_tokens: 3, cache_read_input_tokens: 2, cache_creation_input_tokens: 4 },
};

async function served(
  handle: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<{ client: LoadClient; asked: IncomingMessage[] }> {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => handle(request, response, body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = await createLoadClient(keylessTarget(`http://127.0.0.1:${port}/`));
  onTestFinished(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });
  return { client, asked };
}

function json(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', 'request-id': 'req_1', ...headers });
  response.end(JSON.stringify(value));
}

function kindOf({ failure }: LoadAnswer): string | null {
  return failure?.kind ?? null;
}

test('an answer without an end is broken off before it fills the memory', async () => {
  const piece = Buffer.alloc(1024 * 1024, ' ');
  const { client } = await served((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  const answer = await client.send({ ...CALL, timeoutMs: 60_000 });
  expect(kindOf(answer)).toBe('too_large');
  expect(answer.bytes).toBeLessThan(66 * 1024 * 1024);
});

describe('a message', () => {
  test('gives times in their order, usage, text and the headers of limits; the second one has no connection to make', async () => {
    const limits = { 'anthropic-ratelimit-requests-limit': '50', 'anthropic-ratelimit-requests-remaining': '49' };
    const { client, asked } = await served((_request, response) => json(response, 200, MESSAGE, limits));
    const one = await client.send({ ...CALL, body: '{"model":"ä"}', betas: ['a-1', 'b-2'] });
    expect(one).toMatchObject({
      ...{ status: 200, failure: null, text: 'Yes.', requestId: 'req_1', model: 'claude-haiku-5-5-20261001' },
      usage: { inputTokens: 7, outputTokens: 3, cacheReadTokens: 2, cacheWrite5mTokens: 4, cacheWrite1hTokens: 0 },
      rates: { buckets: { requests: { limit: 50, remaining: 49 } } },
      firstTokenMs: null,
    });
    expect(one.connectMs).toBeGreaterThan(0);
    expect(one.firstByteMs).toBeGreaterThanOrEqual(one.connectMs ?? Infinity);
    expect(one.endedAtMs - one.sentAtMs).toBeGreaterThanOrEqual(one.firstByteMs ?? Infinity);
    expect((await client.send(CALL)).connectMs).toBeNull();
    expect(asked[0]).toMatchObject({ method: 'POST', url: '/v1/messages' });
    expect(asked[0]?.headers).toMatchObject({ 'anthropic-beta': 'a-1,b-2', 'accept-encoding': 'identity' });
    expect(asked[0]?.headers['content-length']).toBe(String(Buffer.byteLength('{"model":"ä"}')));
  });

  test.each([
    [
      'an error of the API',
      529,
      { type: 'error', error: { type: 'overloaded_error', message: '' } },
      'overloaded_error',
    ],
    ['another shape', 502, '<html>', 'http_502'],
    ['no message', 200, { hello: 'world' }, 'unreadable'],
    ['an error with 200', 200, { type: 'error', error: { type: 'api_error', message: '' } }, 'api_error'],
    ['a redirect', 302, '', 'http_302'],
  ])('that is %s is a failure of a kind, and is not tried again', async (_what, status, value, kind) => {
    const { client, asked } = await served((_request, response) =>
      json(response, status, value, { location: 'http://127.0.0.1:1/' }),
    );
    expect(kindOf(await client.send(CALL))).toBe(kind);
    expect(asked).toHaveLength(1);
  });

  test('429: which limit, how much, and how long to wait', async () => {
    const message =
      'This request would exceed your organization’s rate limit of 30,000 input tokens per minute (org: x).';
    const { client } = await served((_request, response) =>
      json(response, 429, { type: 'error', error: { type: 'rate_limit_error', message } }, { 'retry-after': '7' }),
    );
    expect((await client.send(CALL)).failure).toEqual({
      ...{ kind: 'rate_limit_error', retryAfterMs: 7_000 },
      refusal: { kind: 'rate', bucket: 'input', limit: 30_000 },
    });
  });
});

test('what a server calls an error is a name, or its status: a text of its own is not counted and not printed', async () => {
  const types = ['overloaded_error', '\u001b[31mred', 'x'.repeat(200), 'no such thing'];
  let at = 0;
  const { client } = await served((_request, response) =>
    json(response, 500, { type: 'error', error: { type: types[at++], message: '' } }),
  );
  const kinds: (string | null)[] = [];
  for (const _type of types) kinds.push(kindOf(await client.send(CALL)));
  expect(kinds).toEqual(['overloaded_error', 'http_500', 'http_500', 'http_500']);
});

describe('what goes wrong on the way', () => {
  test('no answer in time, an answer that breaks off, a connection that is reset', async () => {
    const { client } = await served((request, response, body) => {
      if (body === 'cut') {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{"type":', () => request.socket.destroy());
      } else if (body === 'reset') request.socket.resetAndDestroy();
    });
    const late = await client.send({ ...CALL, timeoutMs: 50 });
    expect([kindOf(late), late.status, late.firstByteMs]).toEqual(['timeout', null, null]);
    expect(late.endedAtMs - late.sentAtMs).toBeGreaterThanOrEqual(45);
    expect(kindOf(await client.send({ ...CALL, body: 'cut' }))).toBe('cut_off');
    expect(kindOf(await client.send({ ...CALL, body: 'reset' }))).toBe('connection_econnreset');
  });

  test('what is broken off by us is canceled', async () => {
    const { client, asked } = await served(() => client.cancelAll());
    const all = await Promise.all([client.send(CALL)]);
    expect(all.map(kindOf)).toEqual(['canceled']);
    expect(asked).toHaveLength(1);
  });

  test('nobody listens', async () => {
    const client = await createLoadClient(keylessTarget('http://127.0.0.1:1'));
    expect(kindOf(await client.send(CALL))).toBe('connection_econnrefused');
    client.close();
  });
});

/** A stream of the API; `names` leaves the lines with the names of events out, as some proxies do. */
function events({ names = true, end = '\n' } = {}): string {
  const usage = { input_tokens: 9, output_tokens: 1 };
  const list: [string, Record<string, unknown>][] = [
    ['message_start', { message: { ...MESSAGE, content: [], usage } }],
    ['content_block_start', { index: 0, content_block: { type: 'text', text: '' } }],
    ['ping', {}],
    ['content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Grün ' } }],
    ['content_block_delta', { index: 0, delta: { type: 'text_delta', text: '“ja”' } }],
    ['content_block_stop', { index: 0 }],
    ['message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 42 } }],
    ['message_stop', {}],
  ];
  return list
    .map(
      ([type, data]) => `${names ? `event: ${type}${end}` : ''}data: ${JSON.stringify({ type, ...data })}${end}${end}`,
    )
    .join('');
}

describe('a stream', () => {
  test.each([
    ['as the API sends it', {}],
    ['with carriage returns', { end: '\r\n' }],
    ['without names of events', { names: false }],
  ])('%s, cut at any byte, gives usage, text and the first token', (_what, options) => {
    const bytes = Buffer.from(events(options));
    const firstDelta = bytes.indexOf('Grün');
    for (const size of [1, 2, 3, 7, 64, bytes.length]) {
      const reader = streamReader(true);
      let firstAt = -1;
      for (let at = 0; at < bytes.length; at += size) {
        if (reader.take(bytes.subarray(at, at + size)) && firstAt < 0) firstAt = at + size;
      }
      const read = reader.end();
      expect(read).toMatchObject({ complete: true, error: null, text: 'Grün “ja”' });
      expect(read.usage).toMatchObject({ inputTokens: 9, outputTokens: 42 });
      expect(firstAt).toBeGreaterThan(Math.min(firstDelta, bytes.length - 1));
    }
  });

  test('has its first token when the first delta is there, and its end at the end', async () => {
    let answer: ServerResponse | undefined;
    const { client } = await served((_request, response) => {
      answer = response;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const [before, after] = events().split(/(?=event: content_block_stop)/);
      response.write(before ?? '', () => setImmediate(() => answer?.end(after)));
    });
    const { firstByteMs, firstTokenMs, failure, usage, sentAtMs, endedAtMs } = await client.send({
      ...CALL,
      stream: true,
    });
    expect(failure).toBeNull();
    expect(usage.outputTokens).toBe(42);
    expect(firstTokenMs).toBeGreaterThanOrEqual(firstByteMs ?? Infinity);
    expect(firstTokenMs).toBeLessThanOrEqual(endedAtMs - sentAtMs);
  });

  test('that ends too early, or in an error, is a failure', async () => {
    const { client } = await served((_request, response, body) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const [before = ''] = events().split(/(?=event: message_stop)/);
      const error = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n';
      response.end(body === 'error' ? before + error : before);
    });
    expect(kindOf(await client.send({ ...CALL, stream: true }))).toBe('cut_off');
    expect(kindOf(await client.send({ ...CALL, stream: true, body: 'error' }))).toBe('overloaded_error');
  });
});
