/**
 * The SDK's OpenTelemetry spans: there where the user has registered a provider, for calls over our own fetch and with
 * bodies of our own; nowhere else, and without prompts and keys.
 */
import { createServer, request, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { bench, KEY, requests, type Bench } from '../support/cli.ts';

const PROVIDER = fileURLToPath(new URL('../support/span-provider.mjs', import.meta.url));

interface Span {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: number;
}

const withProvider = (b: Bench): Readonly<Record<string, string>> => ({
  NODE_OPTIONS: `--import=${PROVIDER}`,
  SPANS_FILE: b.path('spans.jsonl'),
});

function spans(b: Bench): Span[] {
  const lines = b.read('spans.jsonl').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Span);
}

/** Stands in front of the simulator and keeps the headers of what passes. */
async function listening(b: Bench): Promise<{ origin: string; headers: IncomingHttpHeaders[] }> {
  const headers: IncomingHttpHeaders[] = [];
  const server = createServer((incoming, outgoing) => {
    headers.push(incoming.headers);
    const onward = request(new URL(incoming.url ?? '/', b.origin), {
      method: incoming.method,
      headers: incoming.headers,
    });
    onward.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return { origin: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, headers };
}

test('a provider that is registered before the program starts sees the calls, and their context goes to the API', async () => {
  const b = await bench({ rates: { errorRate: 0.4 } });
  const between = await listening(b);
  b.write('in.jsonl', requests(12, 'a secret question'));
  const env = { ...withProvider(b), ANTHROPIC_BASE_URL: between.origin };
  await b.call(['run', 'in.jsonl', '--retry-lane', 'realtime'], { env });
  const seen = spans(b);
  const names = new Set(seen.map((span) => span.name));
  expect(names).toContain('anthropic.messages.batches.create');
  expect(names).toContain('anthropic.messages.batches.list');
  expect(names).toContain('anthropic.messages.create');
  const create = seen.find((span) => span.name === 'anthropic.messages.batches.create');
  // 1 is OK.
  expect(create).toMatchObject({
    status: 1,
    attributes: { 'http.route': '/v1/messages/batches', 'http.response.status_code': 200 },
  });
  expect(between.headers.some((one) => /^00-0{31}1-\d{16}-01$/.test(String(one['traceparent'])))).toBe(true);
  const text = b.read('spans.jsonl');
  expect(text).not.toContain('secret');
  expect(text).not.toContain(KEY.slice(-8));
});

test('a call that fails has a span that says so', async () => {
  const b = await bench({ strictKeys: true });
  b.write('in.jsonl', requests(1));
  await b.call(['run', 'in.jsonl'], { env: withProvider(b) });
  // 2 is ERROR.
  expect(spans(b)[0]).toMatchObject({ status: 2, attributes: { 'error.type': 'authentication_error' } });
});

test('without a provider, and with spans turned off, nothing is traced and nothing more is sent', async () => {
  const b = await bench();
  const between = await listening(b);
  b.write('in.jsonl', requests(2));
  const env = { ANTHROPIC_BASE_URL: between.origin };
  await b.ok(['run', 'in.jsonl'], { env });
  await b.ok(['run', 'in.jsonl', '--again', '-o', 'again.jsonl'], {
    env: { ...env, ...withProvider(b), ANTHROPIC_OPEN_TELEMETRY: 'false' },
  });
  expect(b.has('spans.jsonl')).toBe(false);
  expect(between.headers.length).toBeGreaterThan(3);
  expect(between.headers.filter((one) => one['traceparent'] !== undefined)).toEqual([]);
});
