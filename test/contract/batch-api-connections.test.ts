/**
 * What becomes of a connection decides whether a create is sent again: for every way in which one can fail, our fetch and
 * Node's own must come to the same verdict. Real sockets, through the SDK.
 */
import { once } from 'node:events';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Writable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectAnthropic } from '../../src/adapters/anthropic/api.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { ApiFailure } from '../../src/domain/failure-router.ts';
import type { BatchApi, BatchUpload } from '../../src/domain/ports.ts';
import { createMemoryFiles } from '../support/memory-files.ts';
import { errorOf, failureOf, sha256, turn } from './batch-api.lab.ts';
import { put } from './files.suite.ts';

const never = new AbortController().signal;
const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
const BODY_BYTES = 8_000_000;

interface Fixture {
  readonly api: BatchApi;
  readonly clock: VirtualClock;
  readonly upload: BatchUpload;
  /** How often the tail was asked for. */
  tails(): number;
}

async function connect(origin: string, own: boolean, signal = never): Promise<Fixture> {
  const clock = new VirtualClock();
  const files = createMemoryFiles({ streamBytes: 100_000 }).files();
  const text = `{"requests":["${'x'.repeat(BODY_BYTES)}"]}`;
  await put(files, 'body', text);
  let tails = 0;
  const beforeTail = (): Promise<void> => {
    tails++;
    return Promise.resolve();
  };
  const upload = { bodyPath: 'body', bytes: text.length, sha256: sha256(text), betas: [], beforeTail, signal };
  const options = { files, clock, stderr: silent, apiKey: 'sk-ant-key', baseURL: origin };
  const { api } = await connectAnthropic(own ? options : { ...options, fetch });
  return { api, clock, upload, tails: () => tails };
}

async function listen(server: ReturnType<typeof createTcpServer>): Promise<number> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
  });
  onTestFinished(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

/** Does this with a connection once the whole head of a request has come. */
async function atHead(deed: (socket: Socket) => void): Promise<string> {
  const server = createTcpServer((socket) => {
    let head = '';
    const read = (data: Buffer): void => {
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', read);
      deed(socket);
    };
    socket.on('data', read);
  });
  return `http://127.0.0.1:${await listen(server)}`;
}

/** Does this once a whole create has come. */
async function atEnd(deed: (socket: Socket) => void): Promise<string> {
  const server = createTcpServer((socket) => {
    let last = '';
    socket.on('data', (data) => {
      last = (last + data.toString('latin1')).slice(-3);
      if (last === '"]}') deed(socket);
    });
  });
  return `http://127.0.0.1:${await listen(server)}`;
}

async function deaf(): Promise<string> {
  const server = createTcpServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${port}`;
}

/** A server of TLS whose certificate nobody has signed but itself, made for this test alone. */
async function selfSigned(): Promise<string> {
  const server = createTlsServer({ key: KEY, cert: CERTIFICATE });
  server.on('tlsClientError', () => undefined);
  return `https://127.0.0.1:${await listen(server)}`;
}

type Verdict = ApiFailure['connection'];

const WAYS: readonly [string, () => Promise<string>, Verdict][] = [
  ['nobody listens', async () => `http://${await deaf()}`, 'never_made'],
  ['nobody listens for TLS', async () => `https://${await deaf()}`, 'never_made'],
  ['there is no such host', () => Promise.resolve('http://no-such-host.invalid'), 'never_made'],
  ['nobody vouches for the certificate', selfSigned, 'never_made'],
  ['TLS is answered in plain text', () => atFirst((socket) => socket.end('HTTP/1.1 400 No\r\n\r\n')), 'never_made'],
  ['TLS is answered by an end', () => atFirst((socket) => socket.end()), 'lost'],
  ['TLS is answered by a reset', () => atFirst((socket) => socket.resetAndDestroy()), 'lost'],
  ['it is reset at the head', () => atHead((socket) => socket.resetAndDestroy()), 'lost'],
  ['it ends at the head', () => atHead((socket) => socket.end()), 'lost'],
  ['it is reset behind the last byte', () => atEnd((socket) => socket.resetAndDestroy()), 'lost'],
  ['it ends behind the last byte', () => atEnd((socket) => socket.end()), 'lost'],
  ['the head of the answer is cut', () => atEnd((socket) => socket.end('HTTP/1.1 200 OK\r\nconte')), 'lost'],
  ['the answer is no HTTP', () => atEnd((socket) => socket.end('hello\r\n\r\n')), 'lost'],
  ['the answer is cut', () => atEnd((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{')), 'lost'],
];

async function atFirst(deed: (socket: Socket) => void): Promise<string> {
  const server = createTcpServer((socket) => socket.once('data', () => deed(socket)));
  return `https://127.0.0.1:${await listen(server)}`;
}

describe.each([
  ['our fetch', true],
  ['the fetch of Node', false],
])('%s', (_name, own) => {
  test.each(WAYS)('a create where %s', async (_way, serve, verdict) => {
    const { api, upload, tails, clock } = await connect(await serve(), own);
    expect(await failureOf(api.createBatch(upload))).toMatchObject({ connection: verdict, status: null });
    // What was never connected has sent nothing, and the ledger is not told otherwise.
    if (verdict === 'never_made') expect(tails()).toBe(0);
    expect(clock.sleeping).toBe(0);
  });

  test('a create that is aborted', async () => {
    const abort = new AbortController();
    const origin = await atHead(() => abort.abort());
    const { api, upload, tails } = await connect(origin, own, abort.signal);
    expect(await failureOf(api.createBatch(upload))).toMatchObject({ connection: 'aborted', status: null });
    expect(tails()).toBe(0);
  });

  test('a create that is refused before its body was sent', async () => {
    const answer = 'HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 36\r\n\r\n';
    const origin = await atHead((socket) => {
      socket.resume();
      socket.write(`${answer}{"type":"request_too_large","x":"y"}`);
    });
    const { api, upload, tails } = await connect(origin, own);
    expect(await failureOf(api.createBatch(upload))).toMatchObject({ status: 413, type: 'request_too_large' });
    if (own) expect(tails()).toBe(0);
  });
});

describe('our fetch alone', () => {
  test('a file that is not what was sealed is never sent to its end', async () => {
    let bytes = 0;
    let closed = false;
    const origin = await atHead((socket) => {
      socket.on('data', (data) => (bytes += data.length));
      socket.on('close', () => (closed = true));
    });
    const { api, upload, tails } = await connect(origin, true);
    const error = await errorOf(api.createBatch({ ...upload, sha256: sha256('other') }));
    expect(error).toMatchObject({ code: 'E_STATE_CORRUPT' });
    await until(() => closed);
    expect([tails(), bytes < upload.bytes]).toEqual([0, true]);
  });

  test('the tail is not asked for while anything before it has not left', async () => {
    let go: () => void = () => undefined;
    const origin = await atHead((socket) => {
      socket.pause();
      go = () => socket.resume();
    });
    const abort = new AbortController();
    // More than the system holds for a connection that nobody reads.
    const { api, upload, tails } = await connect(origin, true, abort.signal);
    const failed = failureOf(api.createBatch(upload));
    for (let nth = 0; nth < 2_000; nth++) await turn();
    const held = tails();
    go();
    await until(() => tails() > 0);
    abort.abort();
    expect([held, (await failed).connection]).toEqual([0, 'aborted']);
  });

  test('results that stand still are a timeout after two minutes, counted from the last bytes', async () => {
    let more: () => void = () => undefined;
    let closed = false;
    const origin = await atHead((socket) => {
      socket.on('close', () => (closed = true));
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\none');
      more = () => socket.write('two');
    });
    const { api, clock } = await connect(origin, true);
    const results = api.streamResults(BATCH, never)[Symbol.asyncIterator]();
    expect(String((await results.next()).value)).toBe('one');
    const second = results.next();
    await turn();
    clock.advance(119_999);
    more();
    expect(String((await second).value)).toBe('two');
    const failed = failureOf(results.next());
    await turn();
    clock.advance(119_999);
    for (let nth = 0; nth < 100; nth++) await turn();
    expect([closed, clock.sleeping]).toEqual([false, 1]);
    clock.advance(1);
    expect(await failed).toMatchObject({ connection: 'timeout' });
    await until(() => closed);
    expect(clock.sleeping).toBe(0);
  });

  test('results that are left early, or aborted, leave no connection and no timer', async () => {
    for (const how of ['left', 'aborted']) {
      let closed = false;
      const origin = await atHead((socket) => {
        socket.on('close', () => (closed = true));
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\none');
      });
      const abort = new AbortController();
      const { api, clock } = await connect(origin, true);
      const results = api.streamResults(BATCH, abort.signal)[Symbol.asyncIterator]();
      await results.next();
      if (how === 'left') await results.return?.();
      else {
        const failed = failureOf(results.next());
        abort.abort();
        expect(await failed).toMatchObject({ connection: 'aborted' });
      }
      await until(() => closed);
      expect(clock.sleeping).toBe(0);
    }
  });
});

const BATCH = {
  id: 'msgbatch_1',
  status: 'ended',
  counts: { processing: 0, succeeded: 1, errored: 0, canceled: 0, expired: 0 },
  createdAtMs: 0,
  expiresAtMs: 0,
  endedAtMs: 0,
  archivedAtMs: null,
  resultsUrl: null,
} as const;

const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPaeD3Jmp8qsMEOJg
Kjzssq0lqTUcegVxJnWrXlugyAChRANCAARVHP67/CAcPlLHcL1cytaojzgGVRG0
s/Q5G4KS689t19PrASPbr3qrJ1+BUhVfZAihbDHcfdGcVAR4Y9kJQ6yy
-----END PRIVATE KEY-----`;

const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBkDCCATagAwIBAgIUI2tuy4icZoR7C8oTaKm4lJPCr4MwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMTE4MDkyMFoYDzIxMjYxMDI4
MTgwOTIwWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARVHP67/CAcPlLHcL1cytaojzgGVRG0s/Q5G4KS689t19PrASPbr3qr
J1+BUhVfZAihbDHcfdGcVAR4Y9kJQ6yyo2QwYjAdBgNVHQ4EFgQU8UZJADhwtkri
4TApZVphhr47M4QwHwYDVR0jBBgwFoAU8UZJADhwtkri4TApZVphhr47M4QwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0gAMEUC
IQDYe8R3akLjZhA7kdDR1k6/x8NXgDNIW3ivucZykmYi6QIgLGoige3KoEDWsMte
GW8ecbguJWZV6Q/t3+x1EJMFwdo=
-----END CERTIFICATE-----`;
