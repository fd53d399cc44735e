/**
 * Answers that our fetch gives: whole or broken and never in between, unpacked, read no faster than they are wanted,
 * with connections that are used again and none that is left open. And nothing of ours goes to another host.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { bytesOf, createNodeFetch } from '../../../../src/adapters/anthropic/node-fetch.ts';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import { answering, deafPort, errorOf, http, source, standsStill, tcp, until } from './http-lab.ts';

function client(): { fetch: typeof fetch; clock: VirtualClock } {
  const clock = new VirtualClock();
  return { fetch: createNodeFetch({ clock }), clock };
}

/** Writes without end, as fast as it is read, and counts. */
function endless(): { listener: (request: IncomingMessage, response: ServerResponse) => void; sent(): number } {
  const piece = Buffer.alloc(256 * 1024);
  let sent = 0;
  return {
    sent: () => sent,
    listener: (_request, response) => {
      const more = (): void => {
        do sent += piece.length;
        while (!response.destroyed && response.write(piece));
      };
      response.on('drain', more);
      more();
    },
  };
}

describe('an answer', () => {
  test('has its status, headers, address and body', async () => {
    const { fetch, clock } = client();
    const { origin } = await http(answering('{"a":"ü"}', { date: 'Fri, 20 Nov 2026 00:00:00 GMT', 'x-one': '1' }, 201));
    const response = await fetch(`${origin}/path?q=1`);
    expect([response.status, response.ok, response.url]).toEqual([201, true, `${origin}/path?q=1`]);
    expect([response.headers.get('date'), response.headers.get('X-One')]).toEqual([
      'Fri, 20 Nov 2026 00:00:00 GMT',
      '1',
    ]);
    expect(await response.json()).toEqual({ a: 'ü' });
    expect(clock.sleeping).toBe(0);
  });

  test('without a body is one, and its connection is used again', async () => {
    const { fetch } = client();
    const { origin, requests } = await http((_request, response) => response.writeHead(204).end());
    expect((await fetch(origin)).body).toBeNull();
    await new Promise((resolve) => setImmediate(resolve));
    await fetch(origin);
    expect(new Set(requests.map(({ socket }) => socket)).size).toBe(1);
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('packed with %s is unpacked, by stream and by buffers', async (coding, pack) => {
    const { fetch } = client();
    const text = 'line of a result\n'.repeat(50_000);
    const { origin, requests } = await http(answering(pack(text), { 'content-encoding': coding }));
    expect(await (await fetch(origin)).text()).toBe(text);
    const pieces: Buffer[] = [];
    const bytes = bytesOf(await fetch(origin));
    for (let piece = await bytes?.read(); piece; piece = await bytes?.read()) pieces.push(piece);
    expect(Buffer.concat(pieces).toString()).toBe(text);
    expect(requests[0]?.headers['accept-encoding']).toBe('gzip, deflate');
  });

  test('whose packing is broken, or unknown, is no clean end', async () => {
    const { fetch } = client();
    const packed = gzipSync('text '.repeat(10_000));
    const damaged = Buffer.concat([packed.subarray(0, 20), Buffer.alloc(50, 7), packed.subarray(70)]);
    const broken = await http(answering(damaged, { 'content-encoding': 'gzip' }));
    expect((await errorOf((await fetch(broken.origin)).text())).message).toBe('terminated');
    const unknown = await http(answering('as it is', { 'content-encoding': 'zstd' }));
    expect(await (await fetch(unknown.origin)).text()).toBe('as it is');
  });

  test.each([
    ['with a length', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'],
    ['in chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ['packed', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\ncontent-encoding: gzip\r\n\r\nhalf'],
  ])('that ends too early %s is broken', async (_name, head) => {
    const { fetch, clock } = client();
    const { origin } = await tcp((socket) => socket.once('data', () => socket.end(head)));
    const error = await errorOf((await fetch(origin)).text());
    expect([error.constructor.name, error.message]).toEqual(['TypeError', 'terminated']);
    expect(clock.sleeping).toBe(0);
  });

  test('that says no length ends with its connection', async () => {
    const { fetch } = client();
    const { origin } = await tcp((socket) => socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nall')));
    expect(await (await fetch(origin)).text()).toBe('all');
  });

  test('is read no faster than it is wanted, and leaving it closes its connection', async () => {
    const { fetch } = client();
    const { listener, sent } = endless();
    const { origin, server } = await http(listener);
    let closed = false;
    server.on('connection', (socket) => socket.on('close', () => (closed = true)));
    const bytes = bytesOf(await fetch(origin));
    await bytes?.read();
    expect(await standsStill(sent)).toBeLessThan(32 * 1024 * 1024);
    const before = sent();
    for (let read = 0; read < before + 1_000_000;) read += (await bytes?.read())?.length ?? Infinity;
    expect(await standsStill(sent)).toBeGreaterThan(before);
    await bytes?.cancel();
    await until(() => closed);
  });
});

describe('connections', () => {
  test('are used again after an answer was read', async () => {
    const { fetch } = client();
    const { origin, requests } = await http(answering('ok'));
    for (let nth = 0; nth < 3; nth++) await (await fetch(origin, { method: 'POST', body: 'x' })).text();
    expect(new Set(requests.map(({ socket }) => socket)).size).toBe(1);
  });

  test('are not kept where the server says that it closes them as soon as we would', async () => {
    const { fetch } = client();
    const { origin, requests } = await http(answering('ok', { connection: 'keep-alive', 'keep-alive': 'timeout=2' }));
    for (let nth = 0; nth < 2; nth++) await (await fetch(origin)).text();
    expect(new Set(requests.map(({ socket }) => socket)).size).toBe(2);
  });

  test('that cannot be made fail with what the system said', async () => {
    const { fetch, clock } = client();
    const error = await errorOf(fetch(`http://127.0.0.1:${await deafPort()}`));
    expect([error.message, error.cause?.code, clock.sleeping]).toEqual(['fetch failed', 'ECONNREFUSED', 0]);
  });

  test('that do not stand after ten seconds are given up', async () => {
    const { fetch, clock } = client();
    let greeted = false;
    // It takes the connection and never says who it is.
    const { port } = await tcp((socket) => socket.once('data', () => (greeted = true)));
    const failed = errorOf(fetch(`https://127.0.0.1:${port}`));
    await until(() => greeted);
    clock.advance(9_999);
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1);
    expect((await failed).cause?.code).toBe('UND_ERR_CONNECT_TIMEOUT');
    expect(clock.sleeping).toBe(0);
  });

  test('that end without a word are lost', async () => {
    const { fetch } = client();
    const { origin } = await tcp((socket) => socket.once('data', () => socket.end()));
    expect((await errorOf(fetch(origin))).cause).toMatchObject({ message: 'socket hang up', code: 'ECONNRESET' });
  });
});

describe('silence', () => {
  test('of five minutes before the answer is a limit', async () => {
    const { fetch, clock } = client();
    const { origin, requests } = await http((request) => void request.resume());
    const failed = errorOf(fetch(origin));
    await until(() => requests.length === 1);
    clock.advance(300_000);
    expect((await failed).cause?.code).toBe('UND_ERR_HEADERS_TIMEOUT');
    expect(clock.sleeping).toBe(0);
  });

  test('of five minutes inside an answer is a limit, and the connection is closed', async () => {
    const { fetch, clock } = client();
    let closed = false;
    const { origin } = await http((request, response) => {
      request.socket.on('close', () => (closed = true));
      response.write('half');
    });
    const response = await fetch(origin);
    const failed = errorOf(response.text());
    await until(() => clock.sleeping === 1);
    await standsStill(() => 0);
    clock.advance(300_000);
    expect((await failed).cause?.code).toBe('UND_ERR_BODY_TIMEOUT');
    await until(() => closed);
    expect(clock.sleeping).toBe(0);
  });
});

describe('an abort', () => {
  test.each(['before the answer', 'inside the answer'])('%s rejects with the reason and closes', async (when) => {
    const { fetch, clock } = client();
    const abort = new AbortController();
    let closed = false;
    const { origin, requests } = await http((request, response) => {
      request.socket.on('close', () => (closed = true));
      if (when === 'inside the answer') response.write('half');
    });
    const reason = new Error('enough');
    const failed = errorOf(fetch(origin, { signal: abort.signal }).then((response) => response.text()));
    await until(() => requests.length === 1);
    await standsStill(() => 0);
    abort.abort(reason);
    expect(await failed).toBe(reason);
    await until(() => closed);
    expect(clock.sleeping).toBe(0);
  });

  test('after the end changes nothing', async () => {
    const { fetch } = client();
    const abort = new AbortController();
    const { origin } = await http(answering('ok'));
    const response = await fetch(origin, { signal: abort.signal });
    expect(await response.text()).toBe('ok');
    abort.abort();
    expect(await (await fetch(origin)).text()).toBe('ok');
  });
});

describe('a redirect', () => {
  const KEY = { 'x-api-key': 'secret', authorization: 'Bearer secret', 'anthropic-version': '1', accept: 'a/b' };

  function to(location: string, status: number) {
    return answering('', { location }, status);
  }

  test('on the same host is followed with everything', async () => {
    const { fetch } = client();
    const { origin, requests } = await http((request, response) => {
      if (request.url === '/old') to('/new', 307)(request, response);
      else answering('here')(request, response);
    });
    const response = await fetch(`${origin}/old`, { method: 'POST', body: 'text', headers: KEY });
    expect([await response.text(), response.url]).toEqual(['here', `${origin}/new`]);
    expect([requests[1]?.method, requests[1]?.headers]).toMatchObject(['POST', { ...KEY, 'content-length': '4' }]);
  });

  test.each([301, 302, 303])('of a POST with %i becomes a GET without a body', async (status) => {
    const { fetch } = client();
    const { origin, requests } = await http((request, response) => {
      if (request.url === '/old') to('/new', status)(request, response);
      else answering('here')(request, response);
    });
    const headers = { ...KEY, 'content-type': 'application/json' };
    await (await fetch(`${origin}/old`, { method: 'POST', body: '{}', headers })).text();
    expect(requests[1]).toMatchObject({ method: 'GET', headers: KEY });
    expect(Object.keys(requests[1]?.headers ?? {}).filter((name) => name.startsWith('content-'))).toEqual([]);
  });

  test('to another host goes without the key and whatever else is the API’s', async () => {
    const { fetch } = client();
    const abroad = await http(answering('results'));
    const { origin } = await http(to(`${abroad.origin}/results`, 302));
    expect(await (await fetch(origin, { headers: KEY })).text()).toBe('results');
    expect(Object.keys(abroad.requests[0]?.headers ?? {}).toSorted()).toEqual(
      ['accept', 'accept-encoding', 'connection', 'host', 'user-agent'].toSorted(),
    );
  });

  test('to another host and back has lost the key for good', async () => {
    const { fetch } = client();
    const abroad = await http((request, response) => to(`${home.origin}/back`, 302)(request, response));
    const home = await http((request, response) => {
      if (request.url === '/back') answering('back')(request, response);
      else to(abroad.origin, 302)(request, response);
    });
    expect(await (await fetch(home.origin, { headers: KEY })).text()).toBe('back');
    expect(home.requests[1]?.headers['x-api-key']).toBeUndefined();
  });

  test('to another host that asks for a key is not an answer about ours', async () => {
    const { fetch } = client();
    const abroad = await http(answering('who are you?', {}, 401));
    const { origin } = await http(to(abroad.origin, 302));
    expect((await errorOf(fetch(origin, { headers: KEY }))).cause?.message).toContain('where no key is sent');
  });

  test('takes no body to another host, and no stream anywhere', async () => {
    const { fetch } = client();
    const abroad = await http(answering('mine'));
    const { origin } = await http((request, response) => {
      to(request.url === '/stream' ? '/' : abroad.origin, 307)(request, response);
    });
    expect((await errorOf(fetch(origin, { method: 'POST', body: 'prompt' }))).cause?.message).toContain('another host');
    const { stream } = source((nth) => (nth === 0 ? Buffer.from('prompt') : null));
    const init: RequestInit = { method: 'POST', body: stream, duplex: 'half' };
    expect((await errorOf(fetch(`${origin}/stream`, init))).cause?.message).toContain('streamed');
    expect(abroad.requests).toEqual([]);
  });

  test.each(['ftp://127.0.0.1/', 'http://a:b@127.0.0.1/', 'http://['])('to %s is refused', async (location) => {
    const { fetch } = client();
    const { origin } = await http(to(location, 302));
    expect((await errorOf(fetch(origin))).message).toBe('fetch failed');
  });

  test('without an end has one', async () => {
    const { fetch } = client();
    const { origin, requests } = await http(to('/again', 302));
    expect((await errorOf(fetch(origin))).cause?.message).toContain('more than 20');
    expect(requests).toHaveLength(21);
  });
});
