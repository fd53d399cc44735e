/**
 * Bodies that our fetch sends: as fast as they are taken and no faster, in memory that may be used again, broken off
 * where either side gives up, and never hiding an answer that came early.
 */
import { describe, expect, test } from 'vitest';
import { createNodeFetch } from '../../../../src/adapters/anthropic/node-fetch.ts';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import { answering, errorOf, http, source, standsStill, tcp, turn, until } from './http-lab.ts';

const PIECE_BYTES = 256 * 1024;
const ENDLESS = 1_000_000;

function client(): { fetch: typeof fetch; clock: VirtualClock } {
  const clock = new VirtualClock();
  return { fetch: createNodeFetch({ clock }), clock };
}

/** As the SDK asks for it. */
function post(stream: ReadableStream<Uint8Array>, bytes: number | null, signal?: AbortSignal): RequestInit {
  return {
    method: 'POST',
    body: stream,
    duplex: 'half',
    headers: bytes === null ? {} : { 'content-length': String(bytes) },
    ...(signal ? { signal } : {}),
  };
}

const zeros = (): Uint8Array => Buffer.alloc(PIECE_BYTES);

describe('a body', () => {
  test('of text or bytes has its length, and no body at all is announced as none', async () => {
    const { fetch } = client();
    const seen: string[] = [];
    const { origin, requests } = await http((request, response) => {
      request.setEncoding('utf8').on('data', (text: string) => seen.push(text));
      request.on('end', () => response.end());
    });
    for (const body of ['grün', Buffer.from('bytes'), null])
      await (await fetch(origin, { method: 'POST', body })).text();
    expect(seen).toEqual(['grün', 'bytes']);
    expect(requests.map(({ headers }) => headers['content-length'])).toEqual(['5', '5', '0']);
  });

  test('that is streamed has the announced length, and is chunked where none was announced', async () => {
    const { fetch } = client();
    const { origin, requests } = await http(answering('ok'));
    for (const bytes of [6, null]) {
      const { stream } = source((nth) => (nth < 2 ? Buffer.from('abc') : null));
      expect(await (await fetch(origin, post(stream, bytes))).text()).toBe('ok');
    }
    expect(requests.map(({ headers }) => [headers['content-length'], headers['transfer-encoding']])).toEqual([
      ['6', undefined],
      [undefined, 'chunked'],
    ]);
  });

  test('is asked for no faster than the other side reads, and each piece only when the one before has left', async () => {
    const { fetch, clock } = client();
    const pieces = 400;
    // One piece of memory for all of them: what is asked for too early overwrites what has not left.
    const memory = Buffer.alloc(PIECE_BYTES);
    const made = source((nth) => (nth < pieces ? memory.fill(nth % 251) : null));
    let go: () => void = () => undefined;
    const { origin } = await http((request, response) => {
      let [bytes, wrong] = [0, 0];
      go = () => {
        request.on('data', (data: Buffer) => {
          for (let at = 0; at < data.length; at += 1_024) {
            if (data[at] !== Math.floor((bytes + at) / PIECE_BYTES) % 251) wrong++;
          }
          bytes += data.length;
        });
        request.on('end', () => response.end(JSON.stringify([bytes, wrong])));
      };
    });
    const answered = fetch(origin, post(made.stream, pieces * PIECE_BYTES));
    await until(() => made.asked > 0);
    // What fits into the buffers of the system, and not the hundred megabytes.
    expect(await standsStill(() => made.asked)).toBeLessThan(100);
    go();
    expect(await (await answered).json()).toEqual([pieces * PIECE_BYTES, 0]);
    expect(clock.sleeping).toBe(0);
  });

  test.each([
    ['shorter', 5],
    ['longer', 7],
  ])('that is %s than announced is broken off before it could count', async (_name, bytes) => {
    const { fetch } = client();
    let whole = false;
    const { origin } = await http((request) => request.resume().on('end', () => (whole = true)));
    const { stream } = source((nth) => (nth === 0 ? Buffer.alloc(bytes) : null));
    const error = await errorOf(fetch(origin, post(stream, 6)));
    expect([error.message, error.cause?.code]).toEqual(['fetch failed', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH']);
    for (let nth = 0; nth < 20; nth++) await turn();
    expect(whole).toBe(false);
  });

  test('whose source fails is broken off, and the error is the cause', async () => {
    const { fetch, clock } = client();
    let aborted = false;
    const { origin } = await http((request) => request.resume().on('aborted', () => (aborted = true)));
    const own = new Error('the file is gone');
    const { stream } = source((nth) => (nth === 0 ? zeros() : Promise.reject(own)));
    expect((await errorOf(fetch(origin, post(stream, 2 * PIECE_BYTES)))).cause).toBe(own);
    await until(() => aborted);
    expect(clock.sleeping).toBe(0);
  });
});

describe('the other side', () => {
  test('that answers early and closes is heard, and the rest of the body is not sent', async () => {
    const { fetch } = client();
    const { origin } = await http((request, response) => {
      request.once('data', () => response.writeHead(413, { connection: 'close' }).end('too large'));
    });
    const made = source(zeros);
    const response = await fetch(origin, post(made.stream, ENDLESS * PIECE_BYTES));
    expect([response.status, await response.text()]).toEqual([413, 'too large']);
    await until(() => made.canceled);
    expect(made.asked).toBeLessThan(1_000);
  });

  test('that refuses early and keeps the connection open loses it: half a body is no place for the next call', async () => {
    const { fetch } = client();
    let closed = 0;
    const { origin, requests } = await http((request, response) => {
      request.socket.once('close', () => closed++);
      if (request.url === '/next') response.end('next');
      else request.once('data', () => response.writeHead(429, { 'content-length': '4' }).end('wait'));
    });
    const response = await fetch(origin, post(source(zeros).stream, ENDLESS * PIECE_BYTES));
    expect(await response.text()).toBe('wait');
    await until(() => closed === 1);
    expect(await (await fetch(`${origin}/next`)).text()).toBe('next');
    expect(new Set(requests.map(({ socket }) => socket)).size).toBe(2);
  });

  test('that begins a good answer early is sent the rest', async () => {
    const { fetch } = client();
    const { origin } = await http((request, response) => {
      let bytes = 0;
      response.writeHead(200);
      response.flushHeaders();
      request.on('data', (data: Buffer) => (bytes += data.length));
      request.on('end', () => response.end(String(bytes)));
    });
    const made = source((nth) => (nth < 20 ? zeros() : null));
    const response = await fetch(origin, post(made.stream, 20 * PIECE_BYTES));
    expect(await response.text()).toBe(String(20 * PIECE_BYTES));
  });

  test('that resets in the middle of the body is a failure with its cause, and the source is told', async () => {
    const { fetch, clock } = client();
    const { origin } = await tcp((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const made = source(zeros);
    const error = await errorOf(fetch(origin, post(made.stream, ENDLESS * PIECE_BYTES)));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.cause?.code).toMatch(/^(ECONNRESET|EPIPE)$/);
    await until(() => made.canceled);
    expect(clock.sleeping).toBe(0);
  });

  test('that takes nothing for five minutes is given up, and the time that the source takes does not count', async () => {
    const { fetch, clock } = client();
    let connected = false;
    const { origin } = await tcp((socket) => {
      connected = true;
      socket.pause();
    });
    let give: () => void = () => undefined;
    const made = source((nth) =>
      nth === 0 ? new Promise<Uint8Array>((resolve) => (give = () => resolve(zeros()))) : zeros(),
    );
    const failed = errorOf(fetch(origin, post(made.stream, ENDLESS * PIECE_BYTES)));
    await until(() => made.asked === 1);
    for (let nth = 0; nth < 20; nth++) await turn();
    clock.advance(5_000);
    await turn();
    give();
    await until(() => connected);
    await standsStill(() => made.asked);
    clock.advance(300_000);
    expect((await failed).cause?.code).toBe('UND_ERR_HEADERS_TIMEOUT');
    await until(() => made.canceled);
    expect(clock.sleeping).toBe(0);
  });
});

describe('an abort', () => {
  test('in the middle of the body ends both sides at once', async () => {
    const { fetch, clock } = client();
    const abort = new AbortController();
    let closed = false;
    const { origin } = await http((request) => {
      request.once('data', () => abort.abort());
      request.on('close', () => (closed = true));
    });
    const made = source(zeros);
    const error = await errorOf(fetch(origin, post(made.stream, ENDLESS * PIECE_BYTES, abort.signal)));
    expect(error).toBe(abort.signal.reason);
    await until(() => closed && made.canceled);
    expect(clock.sleeping).toBe(0);
  });

  test('while the source itself waits, as a tail that is held back does', async () => {
    const { fetch } = client();
    const abort = new AbortController();
    const { origin } = await http((request) => void request.resume());
    const made = source((nth) => (nth === 0 ? zeros() : new Promise<never>(() => undefined)));
    const failed = errorOf(fetch(origin, post(made.stream, 2 * PIECE_BYTES, abort.signal)));
    await until(() => made.asked === 2);
    abort.abort();
    expect((await failed).name).toBe('AbortError');
    await until(() => made.canceled);
  });

  test('before anything was sent sends nothing', async () => {
    const { fetch } = client();
    const { origin, requests } = await http(answering('ok'));
    const made = source(zeros);
    const error = await errorOf(fetch(origin, post(made.stream, PIECE_BYTES, AbortSignal.abort())));
    expect([error.name, made.asked, requests.length]).toEqual(['AbortError', 0, 0]);
  });
});
