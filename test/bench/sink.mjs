/**
 * The other end of the wire for benchmarks: an API in a process of its own that takes every batch without looking into
 * it and has its results ready at once. It costs as little as it can, so that what is measured is the client:
 * `node test/bench/sink.mjs` prints its address.
 *
 * How many requests a batch has it reads from the end of the body: our wire ids count from 0, and so do the custom_ids
 * `row-<n>` of the peers. Result lines have 640 bytes, as short answers have.
 *
 * With `--never-ends` every batch stays in progress: to look at an upload alone. `--port <n>` is where it listens.
 */
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

/** The last request of a body begins within these bytes of its end. */
const TAIL_BYTES = 64 * 1024;
const BLOCK_CHARS = 1 << 20;
const HEADERS = {
  'content-type': 'application/json',
  'request-id': 'req_bench',
  'anthropic-organization-id': 'org_bench',
};

const { values } = parseArgs({
  options: { 'never-ends': { type: 'boolean', default: false }, port: { type: 'string', default: '0' } },
});
const openStatus = values['never-ends'] ? 'in_progress' : 'ended';
const batches = [];

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://sink');
  if (request.method === 'POST' && url.pathname === '/v1/messages/batches') create(request, response);
  else if (request.method === 'POST' && url.pathname === '/v1/messages')
    request.resume().on('end', () => answer(response, messageJson()));
  else if (url.pathname.endsWith('/results')) results(batchOf(url), response);
  else if (url.pathname === '/v1/messages/batches') answer(response, page(url));
  else if (url.pathname.startsWith('/v1/messages/batches/')) answer(response, JSON.stringify(shownBatch(batchOf(url))));
  else response.writeHead(404, HEADERS).end('{"type":"error","error":{"type":"not_found_error","message":"no"}}');
});

function answer(response, text) {
  response.writeHead(200, { ...HEADERS, date: new Date().toUTCString() }).end(text);
}

function batchOf(url) {
  const id = url.pathname.split('/')[4];
  return batches.find((batch) => batch.id === id);
}

function create(request, response) {
  let tail = Buffer.alloc(0);
  request.on('data', (piece) => {
    tail =
      piece.length >= TAIL_BYTES ? piece.subarray(-TAIL_BYTES) : Buffer.concat([tail, piece]).subarray(-TAIL_BYTES);
  });
  request.on('end', () => {
    const last = tail.toString('latin1').match(/.*"custom_id":"([^"]*?)(\d+)"/s);
    const [, prefix = '', index = '0'] = last ?? [];
    // Batches of one peer follow each other; the next peer begins from the front again.
    const before = prefix === 'row-' ? (batches.at(-1)?.next ?? 0) : 0;
    const from = before <= Number(index) ? before : 0;
    const batch = {
      id: `msgbatch_bench${String(batches.length).padStart(8, '0')}`,
      ...{ prefix, from, next: Number(index) + 1, createdAt: new Date().toISOString() },
    };
    batches.push(batch);
    answer(response, JSON.stringify(shownBatch(batch, 'in_progress')));
  });
}

function shownBatch({ id, from, next, createdAt }, status = openStatus) {
  const ended = status === 'ended';
  const count = next - from;
  const expiresAt = new Date(Date.parse(createdAt) + 86_400_000).toISOString();
  return {
    ...{ id, type: 'message_batch', processing_status: status, archived_at: null, cancel_initiated_at: null },
    request_counts: {
      processing: ended ? 0 : count,
      succeeded: ended ? count : 0,
      errored: 0,
      canceled: 0,
      expired: 0,
    },
    ...{ created_at: createdAt, expires_at: expiresAt, ended_at: ended ? createdAt : null },
    results_url: ended ? `http://127.0.0.1:${server.address().port}/v1/messages/batches/${id}/results` : null,
  };
}

function page(url) {
  const limit = Number(url.searchParams.get('limit') ?? 20);
  const after = url.searchParams.get('after_id');
  const newest = batches.toReversed();
  const start = after === null ? 0 : newest.findIndex((batch) => batch.id === after) + 1;
  const data = newest.slice(start, start + limit).map((batch) => shownBatch(batch));
  const hasMore = start + limit < newest.length;
  return JSON.stringify({ data, has_more: hasMore, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null });
}

const ANSWER = 'The customer asks about a transfer that has not arrived yet. '.repeat(3).trim();

function messageJson() {
  return JSON.stringify({
    ...{ id: 'msg_01BenchBenchBenchBenchBe', type: 'message', role: 'assistant', model: 'claude-haiku-5-5' },
    content: [{ type: 'text', text: ANSWER }],
    ...{ stop_reason: 'end_turn', stop_sequence: null },
    usage: {
      ...{ input_tokens: 231, output_tokens: 42, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
      ...{ cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 }, service_tier: 'batch' },
    },
  });
}

async function results(batch, response) {
  response.writeHead(200, { ...HEADERS, 'content-type': 'application/binary' });
  const rest = `","result":{"type":"succeeded","message":${messageJson()}}}\n`;
  let pending = '';
  for (let index = batch.from; index < batch.next; index++) {
    pending += `{"custom_id":"${batch.prefix}${index}${rest}`;
    if (pending.length < BLOCK_CHARS) continue;
    if (!response.write(pending, 'latin1')) await new Promise((resolve) => response.once('drain', resolve));
    pending = '';
  }
  response.end(pending, 'latin1');
}

server.listen(Number(values.port), '127.0.0.1', () =>
  process.stdout.write(`http://127.0.0.1:${server.address().port}\n`),
);
