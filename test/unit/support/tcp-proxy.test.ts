/**
 * The bad network does what it says, to the byte: otherwise the tests that stand on it prove nothing.
 */
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startTcpProxy, type Deed, type Spot, type TcpProxy } from '../../support/tcp-proxy.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789';
const REQUEST = 'POST /things HTTP/1.1\r\ncontent-length: 8\r\n\r\nabcdefgh';

/** One side of a connection: what it got and how it ended. */
class Side {
  readonly socket: Socket;
  text = '';
  fin = false;
  error: string | undefined;
  readonly #moved = new EventTarget();

  constructor(socket: Socket) {
    this.socket = socket;
    const note = (change: () => void): void => {
      change();
      this.#moved.dispatchEvent(new Event('moved'));
    };
    socket.on('data', (piece: Buffer) => note(() => (this.text += piece.toString('latin1'))));
    socket.on('end', () => note(() => (this.fin = true)));
    socket.on('error', (error: NodeJS.ErrnoException) => note(() => (this.error = error.code)));
    onTestFinished(() => void socket.destroy());
  }

  get isOver(): boolean {
    return this.fin || this.error !== undefined;
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await once(this.#moved, 'moved');
  }

  says(text: string): Promise<void> {
    return this.until(() => this.text.includes(text));
  }
}

interface Lab {
  readonly proxy: TcpProxy;
  readonly client: Side;
  /** The server's side of the connection. */
  readonly server: Promise<Side>;
  /** The next connection. */
  connect(): Side;
}

async function lab(): Promise<Lab> {
  const listener = createServer({ allowHalfOpen: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  const proxy = await startTcpProxy(typeof address === 'object' && address !== null ? address.port : 0);
  onTestFinished(async () => {
    await proxy.close();
    listener.close();
  });
  const server = once(listener, 'connection').then(([socket]) => new Side(socket as Socket));
  const connect = (): Side =>
    new Side(createConnection({ port: Number(new URL(proxy.origin).port), host: '127.0.0.1', allowHalfOpen: true }));
  return { proxy, client: connect(), server, connect };
}

test('passes exchange after exchange, and knows their first lines', async () => {
  const { proxy, client, server: coming } = await lab();
  client.socket.write(REQUEST);
  const server = await coming;
  await server.says('abcdefgh');
  server.socket.write(ANSWER);
  await client.says('0123456789');
  client.socket.write('GE');
  await proxy.until(() => proxy.connections[0]?.carried.down === ANSWER.length);
  client.socket.write('T /more HTTP/1.1\r\n\r\n');
  await server.says('GET /more HTTP/1.1\r\n\r\n');
  expect(proxy.exchanges.map(({ line }) => line)).toEqual(['POST /things HTTP/1.1', 'GET /more HTTP/1.1']);
  expect(proxy.exchanges[0]?.carried).toEqual({ up: REQUEST.length, down: ANSWER.length });
  client.socket.end();
  await server.until(() => server.fin);
  server.socket.end();
  await client.until(() => client.fin);
  await proxy.until(() => proxy.connections[0]?.isClosed === true);
});

test('an answer that comes before the end of its request makes no new exchange of the rest', async () => {
  const { proxy, client, server: coming } = await lab();
  client.socket.write(REQUEST.slice(0, -4));
  const server = await coming;
  await server.says('abcd');
  server.socket.write(ANSWER);
  await client.says('0123456789');
  client.socket.write('efgh');
  await server.says('abcdefgh');
  expect(proxy.exchanges).toHaveLength(1);
});

describe('a break passes exactly what lies before its spot', () => {
  const head = REQUEST.length - 8;
  test.each<[Spot, number]>([
    [{ bytes: 0 }, 0],
    [{ bytes: 5 }, 5],
    [{ bodyBytes: 3 }, head + 3],
    [{ fromEnd: 1 }, REQUEST.length - 1],
    [{ fromEnd: 0 }, REQUEST.length],
    [{ mark: 'cd' }, head + 4],
    [{ mark: '\r\n', nth: 3 }, head],
  ])('%j', async (at, passed) => {
    for (const oneByOne of [false, true]) {
      const { proxy, client, server: coming } = await lab();
      const fate = proxy.fate(/^POST /, { direction: 'up', at, deed: 'end' });
      client.socket.setNoDelay(true);
      for (const piece of oneByOne ? REQUEST : [REQUEST]) {
        client.socket.write(piece);
        // The next byte in a packet of its own.
        if (oneByOne) await new Promise((resolve) => setImmediate(resolve));
      }
      const server = await coming;
      await Promise.all([server.until(() => server.fin), client.until(() => client.fin)]);
      expect(server.text).toBe(REQUEST.slice(0, passed));
      expect((await fate.met).carried.up).toBe(passed);
    }
  });
});

test('only the exchange that was meant is broken, and only once', async () => {
  const { proxy, client, server: coming } = await lab();
  const fate = proxy.fate(/^GET \/bad /, { direction: 'down', at: { bodyBytes: 2 }, deed: 'reset' });
  client.socket.write(REQUEST);
  const server = await coming;
  await server.says('abcdefgh');
  server.socket.write(ANSWER);
  await client.says('0123456789');
  expect(fate.isMet).toBe(false);
  client.socket.write('GET /bad HTTP/1.1\r\n\r\n');
  await server.says('/bad');
  server.socket.write(ANSWER);
  await Promise.all([client.until(() => client.isOver), server.until(() => server.isOver)]);
  // Node tells a reset that comes together with the last bytes as an end.
  expect([client.error ?? 'ECONNRESET', server.error]).toEqual(['ECONNRESET', 'ECONNRESET']);
  expect(client.text).toBe(`${ANSWER}${ANSWER.slice(0, -8)}`);
});

test.each<[Deed, string, string]>([
  ['stall', 'abc', ''],
  ['stall_up', 'abc', ANSWER],
  ['stall_down', 'abcdefgh', ''],
])('%s holds and closes nothing; released, everything arrives', async (deed, up, down) => {
  const { proxy, client, server: coming } = await lab();
  const fate = proxy.fate(/^POST /, { direction: 'up', at: { bodyBytes: 3 }, deed });
  client.socket.write(REQUEST);
  const server = await coming;
  const { connection } = await fate.met;
  await server.says(up);
  server.socket.write(ANSWER);
  if (down !== '') await client.says(down);
  expect(server.text.endsWith(up)).toBe(true);
  expect(client.text).toBe(down);
  expect([client.fin, client.error, server.fin, server.error]).toEqual([false, undefined, false, undefined]);
  connection.release();
  await Promise.all([server.says('abcdefgh'), client.says(ANSWER)]);
  expect(server.text).toBe(REQUEST);
});

test('reset is a reset, to both sides', async () => {
  const { proxy, client, server: coming } = await lab();
  proxy.fate(/^POST /, { direction: 'down', at: { bytes: 0 }, deed: 'reset' });
  client.socket.write(REQUEST);
  const server = await coming;
  await server.says('abcdefgh');
  server.socket.write(ANSWER);
  await Promise.all([client.until(() => client.isOver), server.until(() => server.isOver)]);
  expect([client.text, client.error, server.error]).toEqual(['', 'ECONNRESET', 'ECONNRESET']);
});

test('an upload into a stall comes to a halt: the sender is told to wait', async () => {
  const { proxy, client } = await lab();
  const fate = proxy.fate(/^POST /, { direction: 'up', at: { bodyBytes: 1_000 }, deed: 'stall_up' });
  client.socket.write('POST /large HTTP/1.1\r\ncontent-length: 64000000\r\n\r\n');
  client.socket.write(Buffer.alloc(64_000_000));
  const { connection } = await fate.met;
  await new Promise((resolve) => setImmediate(resolve));
  expect(client.socket.writableLength).toBeGreaterThan(0);
  expect(connection.carried.up).toBeLessThan(2_000);
});

test('half open: the server is gone, and the client never hears of it', async () => {
  const { proxy, client, server: coming } = await lab();
  const fate = proxy.fate(/^POST /, { direction: 'up', at: { fromEnd: 0 }, deed: 'server_gone' });
  client.socket.write(REQUEST);
  const server = await coming;
  await fate.met;
  await server.until(() => server.fin);
  expect(server.text).toBe(REQUEST);
  client.socket.write('GET /into/the/void HTTP/1.1\r\n\r\n');
  client.socket.end();
  // Its own end is noticed, and answered by nothing.
  await once(client.socket, 'finish');
  expect([client.text, client.fin, client.error]).toEqual(['', false, undefined]);
});

test('half open: the client is gone, and the server never hears of it', async () => {
  const { proxy, client, server: coming } = await lab();
  const fate = proxy.fate(/^POST /, { direction: 'up', at: { bodyBytes: 2 }, deed: 'client_gone' });
  client.socket.write(REQUEST);
  const server = await coming;
  await fate.met;
  await client.until(() => client.isOver);
  await server.says('ab');
  // Into the void, as often as it likes.
  await new Promise((resolve) => server.socket.write(ANSWER, resolve));
  await proxy.until(() => proxy.connections[0]?.isClosed === false);
  expect([server.text.slice(-2), server.fin, server.error]).toEqual(['ab', false, undefined]);
});

test('hides the death of a client: what had arrived is served, and the answer is lost', async () => {
  const { proxy, client, server: coming } = await lab();
  proxy.hidesDeaths = true;
  client.socket.write(REQUEST);
  const server = await coming;
  await server.says('abcdefgh');
  client.socket.destroy();
  await proxy.until(() => proxy.connections[0]?.isLeft === true);
  await new Promise((resolve) => server.socket.write(ANSWER, resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect([server.text, server.fin, server.error]).toEqual([REQUEST, false, undefined]);
  expect(proxy.carried).toEqual({ up: REQUEST.length, down: 0 });
});

test('refuses, and accepts again at the same address', async () => {
  const { proxy, client, connect } = await lab();
  client.socket.write(REQUEST);
  await proxy.until(() => proxy.exchanges.length === 1);
  const { origin } = proxy;
  await proxy.refuse();
  const refused = connect();
  await refused.until(() => refused.error !== undefined);
  expect(refused.error).toBe('ECONNREFUSED');
  expect([client.fin, client.error]).toEqual([false, undefined]);
  await proxy.accept();
  expect(proxy.origin).toBe(origin);
  const again = connect();
  again.socket.write('GET /again HTTP/1.1\r\n\r\n');
  await proxy.until(() => proxy.exchanges.length === 2);
});

test('as an old gateway it speaks HTTP/1.0 to the server', async () => {
  const { proxy, client, server: coming } = await lab();
  proxy.fate(/^POST /, { direction: 'down', at: { bytes: 1_000 }, deed: 'end', asHttp10: true });
  client.socket.write(REQUEST);
  const server = await coming;
  await server.says('abcdefgh');
  expect(server.text).toBe(REQUEST.replace('HTTP/1.1', 'HTTP/1.0'));
});
