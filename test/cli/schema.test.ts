/**
 * `--schema` through the whole program: read and refused before anything is sent, asked of every row, checked at collect
 * by another process and another thread, spread into columns, kept where it is not followed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'csv-parse/sync';
import { describe, expect, onTestFinished, test } from 'vitest';
import { compileSchema } from '../../src/adapters/schema/compile.ts';
import type * as ProveResults from '../../src/cli/drive/prove-results.ts';
import { ProofHere } from '../../src/engine/collect/result-proof.ts';
import { taggedIds } from '../../src/engine/collect/wire-ids.ts';
import { ASK, bench, csv, params, PROGRAM, jsonl, type Bench, type RunJson } from '../support/cli.ts';

/** The simulated model says numbers from 0 to 1 by the row's text: some are below the minimum, which it cannot read. */
const SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    label: { enum: ['good', 'bad'] },
    score: { type: 'number', minimum: 0.25 },
    place: { $ref: '#/$defs/place' },
    tags: { type: 'array', items: { type: 'string' } },
  },
  required: ['label', 'score', 'place', 'tags'],
  $defs: { place: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
} as const;
const STRICT = JSON.stringify(SCHEMA, null, 2);
const LOOSE = JSON.stringify({ ...SCHEMA, properties: { ...SCHEMA.properties, score: { type: 'number' } } });
const FIELDS = ['label', 'score', 'place.city', 'tags'];

async function withRows(count: number, schema = STRICT, options: Parameters<typeof bench>[0] = {}): Promise<Bench> {
  const b = await bench(options);
  b.write('in.csv', csv(count));
  b.write('answer.json', schema);
  return b;
}

const RUN = ['run', 'in.csv', '--yes', ...ASK, '--schema', 'answer.json'] as const;

interface Seen extends RunJson {
  readonly failures: Readonly<Record<string, number>>;
  readonly schema_errors: Readonly<Record<string, number>>;
  readonly lanes: Readonly<Record<string, { readonly rows: number }>>;
}
const seen = async (b: Bench, code = 0): Promise<Seen> => (await b.json(code, ['status', 'latest'])).runs[0] as Seen;
const table = (text: string): Record<string, string>[] => parse<Record<string, string>>(text, { columns: true });
const deviants = (b: Bench): number =>
  b.world.ledger.batches.flatMap((batch) => [...batch.rows()]).filter((row) => row.deviates).length +
  b.world.ledger.messages.filter((message) => message.deviates).length;

test('rows that follow are spread into columns, the others fail with what they said, what it cost and why', async () => {
  const b = await withRows(40);
  const ended = await b.exits(3, [...RUN, '--format', 'csv', '--errors', 'errors.jsonl']);
  expect(ended.stderr).toContain('Schema answer.json: 4 fields; rows whose answer does not follow it are failed.');
  expect(ended.stderr).toContain('not enforced by the API, told to the model and checked here: minimum');
  const rows = table(b.read('in.results.csv'));
  expect(Object.keys(rows[0] ?? {}).slice(-6)).toEqual([...FIELDS, 'id', 'input_text']);
  const failed = rows.filter(({ status }) => status === 'failed');
  expect(failed.length).toBeGreaterThan(0);
  for (const row of rows) {
    const answer = JSON.parse(row['text'] ?? '') as {
      label: string;
      score: number;
      place: { city: string };
      tags: unknown;
    };
    const follows = answer.score >= 0.25;
    expect([row['status'], row['error_type']]).toEqual(follows ? ['succeeded', ''] : ['failed', 'batchrun_schema']);
    expect(FIELDS.map((name) => row[name])).toEqual(
      follows ? [answer.label, String(answer.score), answer.place.city, JSON.stringify(answer.tags)] : ['', '', '', ''],
    );
    expect(Number(row['cost_usd'])).toBeGreaterThan(0);
  }
  expect(ended.stderr).toContain(
    `${failed.length} rows do not follow the schema: minimum at /score (${failed.length})`,
  );
  const errors = b.lines('errors.jsonl');
  expect(errors.map(({ custom_id: id }) => id)).toEqual(failed.map((row) => row['custom_id']));
  expect(errors[0]?.['error']).toMatchObject({ type: 'batchrun_schema', answer: failed[0]?.['text'] });
  const view = await seen(b);
  expect(view.rows).toMatchObject({ succeeded: 40 - failed.length, failed: failed.length });
  expect([view.failures, view.schema_errors]).toEqual([
    { batchrun_schema: failed.length },
    { 'minimum at /score': failed.length },
  ]);
  expect(await b.json(0, ['audit'])).toMatchObject({ ok: true });
  // Offline, in the other shapes.
  const flat = (await b.ok(['results', 'latest', '--format', 'flat', '--only', 'failed'])).stdout.trimEnd().split('\n');
  expect(flat).toHaveLength(failed.length);
  expect(JSON.parse(flat[0] ?? '')).toMatchObject({
    error_message: 'the answer does not follow the schema: minimum at /score',
    score: null,
  });
  const line = JSON.parse(
    (await b.ok(['results', 'latest', '--format', 'jsonl', '--only', 'failed'])).stdout.split('\n')[0] ?? '',
  );
  expect(line).toMatchObject({
    result: {
      type: 'errored',
      error: { error: { type: 'batchrun_schema', details: { answer: { stop_reason: 'end_turn' } } } },
    },
  });
  // The file of errors can be submitted as it is: with the schema in its requests.
  await b.ok(['submit', 'errors.jsonl', '--dry-run']);
  // Nothing of what was said is in the ledger.
  const { place } = JSON.parse(failed[0]?.['text'] ?? '') as { readonly place: { readonly city: string } };
  expect(readFileSync(join(b.state, 'state.db')).includes(place.city)).toBe(false);
});

test('--fail-if counts them, the same input is the same run, and another schema is another', async () => {
  const b = await withRows(10);
  await b.ok([...RUN, '--fail-if', 'failed>90%']);
  const calls = b.calls('batches.create');
  await b.ok([...RUN, '--fail-if', 'failed>90%', '--overwrite']);
  expect(b.calls('batches.create')).toBe(calls);
  b.write('answer.json', LOOSE);
  const other = await b.ok([...RUN, '-o', 'other.jsonl']);
  expect(other.stderr).toContain('--schema');
  expect(b.lines('other.jsonl').every(({ result }) => result.type === 'succeeded')).toBe(true);
});

describe.each(['batch', 'realtime'])('in the %s lane', (lane) => {
  const inLane = lane === 'realtime' ? ['--realtime'] : ['--retry-lane', 'batch'];

  test('answers beside the schema are asked again, within the attempts, and all are paid', async () => {
    const b = await withRows(30, LOOSE, { rates: { schemaErrorRate: 0.4 } });
    const flags = ['--on-schema-error', 'retry', '--max-attempts', '9', '--format', 'flat', ...inLane];
    const ended = await b.ok([...RUN, ...flags]);
    expect(ended.stderr).toContain('asked again, up to 9 attempts in all, each of them paid');
    const wrong = deviants(b);
    expect(wrong).toBeGreaterThan(5);
    const { rows, lanes } = await seen(b);
    expect(rows).toMatchObject({ succeeded: 30, failed: 0 });
    expect(lanes[lane]?.rows).toBe(30 + wrong);
    for (const line of b.lines('in.results.jsonl')) {
      expect(line).toMatchObject({
        status: 'succeeded',
        label: expect.stringMatching(/^(good|bad)$/),
        score: expect.any(Number),
        'place.city': expect.any(String),
        tags: [expect.any(String)],
      });
    }
    expect(await b.json(0, ['audit'])).toMatchObject({ ok: true });
  });

  test('as often as there are attempts, and no more; `retry` sends them once more', async () => {
    const b = await withRows(6, LOOSE, { rates: { schemaErrorRate: 1 } });
    await b.exits(3, [...RUN, '--on-schema-error', 'retry', '--max-attempts', '2', ...inLane]);
    expect(deviants(b)).toBe(12);
    expect(await seen(b)).toMatchObject({ rows: { failed: 6 }, failures: { batchrun_schema: 6 } });
    b.world.setRates({ schemaErrorRate: 0 });
    await b.ok(['retry', 'latest', '--wait']);
    expect(await seen(b)).toMatchObject({ rows: { succeeded: 6, failed: 0 }, schema_errors: {} });
    expect(b.lines('in.results.jsonl').every(({ result }) => result.type === 'succeeded')).toBe(true);
  });
});

test('collect in another process checks them, and may change what becomes of them', async () => {
  const b = await withRows(20, LOOSE, { rates: { schemaErrorRate: 0.5 } });
  await b.ok(['submit', 'in.csv', '--yes', ...ASK, '--schema', 'answer.json']);
  // What was kept counts, not what the file says now.
  b.write('answer.json', 'gone');
  const said = await b.call(['collect', 'latest', '--on-schema-error', 'retry']);
  expect(said.stderr).toContain('--on-schema-error retry (was fail)');
  expect((await b.ok(['log', 'latest'])).stdout).toMatch(/rows\.retried .*causes\.batchrun_schema=\d+/);
  expect(deviants(b)).toBeGreaterThan(0);
});

describe('refused before anything is read or sent', () => {
  test.each<[string, string | null, RegExp]>([
    ['no file', null, /--schema answer\.json cannot be read/],
    ['no JSON, with its place', '{\n  "type": "object",\n}', /answer\.json:3:1 is not JSON/],
    ['an empty file', '', /answer\.json:1:1 is not JSON/],
    ['a list', '[]', /must hold one JSON object/],
    ['a list at the top', '{"type":"array","items":{"type":"string"}}', /#: "type" must be "object"/],
    ['a misspelt word', '{"type":"object","propertys":{}}', /"propertys" is no word.*did you mean properties\?/],
    ['recursion', '{"type":"object","properties":{"a":{"$ref":"#"}}}', /no recursive schemas/],
    [
      'a bound that is none',
      '{"type":"object","properties":{"a":{"type":"number","minimum":"x"}}}',
      /#\/properties\/a\/minimum must be number/,
    ],
    [
      'a format that nobody knows',
      '{"type":"object","properties":{"a":{"type":"string","format":"foo"}}}',
      /unknown format "foo".*#\/properties\/a/,
    ],
    [
      'one that is too large',
      JSON.stringify({ type: 'object', description: 'x'.repeat(300_000) }),
      /300 kB; a schema is in every request/,
    ],
  ])('%s', async (_what, schema, said) => {
    const b = await bench();
    b.write('in.csv', csv(2));
    if (schema !== null) b.write('answer.json', schema);
    const ended = await b.exits(2, [...RUN]);
    expect(ended.stderr).toMatch(said);
    expect([b.calls(), b.runFolders()]).toEqual([0, []]);
  });

  test('a format in --params beside it', async () => {
    const b = await withRows(2);
    const own = '{"output_config":{"format":{"type":"json_schema","schema":{}}}}';
    expect((await b.exits(2, [...RUN, '--params', own])).stderr).toContain('cannot both be given');
  });
});

test('a dry run shows the request with its format, and rows with one of their own keep it', async () => {
  const b = await withRows(1);
  const shown = await b.json(0, [...RUN, '--dry-run']);
  expect(shown.first_request['output_config']).toMatchObject({
    format: {
      type: 'json_schema',
      schema: { additionalProperties: false, properties: { score: { description: '{minimum: 0.25}' } } },
    },
  });
  const own = {
    type: 'json_schema',
    schema: { type: 'object', properties: { n: { type: 'string' } }, additionalProperties: false },
  };
  b.write(
    'rows.jsonl',
    jsonl([
      { custom_id: 'a', params: params('x', { output_config: { format: own } }) },
      { custom_id: 'b', params: params('y') },
    ]),
  );
  const ended = await b.ok(['run', 'rows.jsonl', '--yes', '--schema', 'answer.json', '--fail-if', 'failed>50%']);
  expect(ended.stderr).toContain('an output_config.format of its own');
  expect(b.lines('rows.results.jsonl')[0]?.result.type).toBe('succeeded');
});

test('a large nested schema is asked for, checked and spread as far as a table goes', async () => {
  const leaf = Object.fromEntries(
    Array.from({ length: 12 }, (_unused, at) => [`field${at}`, { type: 'string', maxLength: 50 }]),
  );
  const node = (properties: object): object => ({ type: 'object', properties, required: Object.keys(properties) });
  const groups = Object.fromEntries(
    Array.from({ length: 90 }, (_unused, at) => [`group${at}`, node({ inner: node(leaf) })]),
  );
  const b = await withRows(3, JSON.stringify(node(groups)));
  await b.ok([...RUN, '--max-tokens', '20000', '--format', 'csv']);
  const [row = {}] = table(b.read('in.results.csv'));
  expect(Object.keys(row).filter((name) => name.startsWith('group'))).toHaveLength(1_000);
  expect(row['group0.inner.field0']).toMatch(/^[0-9a-f]{8}$/);
});

describe('in the thread that proves results', () => {
  const CHUNK = { runId: 'run_0123456789abcdef', chunkNo: 3, rowCount: 90 };
  const kept = { file: 'answer.json', schema: SCHEMA, formatHash: 'x' };
  const line = (at: number): string => {
    const text =
      at % 3 === 0 ? 'prose' : JSON.stringify({ label: 'good', score: at % 2, place: { city: 'x' }, tags: [] });
    const message = {
      type: 'message',
      model: 'claude-haiku-5-5',
      content: [{ type: 'text', text }],
      stop_reason: 'end_turn',
    };
    return `${JSON.stringify({ custom_id: `0123456789abcdef-3-${at}`, result: { type: 'succeeded', message } })}\n`;
  };
  const bytes = Buffer.from(Array.from({ length: 90 }, (_unused, at) => line(at)).join(''));

  async function prover(): Promise<InstanceType<typeof ProveResults.ThreadProver>> {
    const url = pathToFileURL(join(PROGRAM, '../drive/prove-results.js')).href;
    const { ThreadProver } = (await import(url)) as typeof ProveResults;
    const made = new ThreadProver();
    onTestFinished(() => made.rest());
    return made;
  }

  test('they are judged as in this one, of several chunks side by side', async () => {
    const here = new ProofHere(CHUNK, taggedIds(CHUNK), await compileSchema(kept));
    here.take(bytes);
    const expected = here.end();
    expect(expected.results.rest).toHaveLength(60);
    const made = await prover();
    const proofs = [made.begin({ ...CHUNK, schema: kept }), made.begin({ ...CHUNK, schema: kept }), made.begin(CHUNK)];
    for (const proof of proofs)
      for (let at = 0; at < bytes.length; at += 1_000) await proof.take(bytes.subarray(at, at + 1_000));
    const [one, other, unchecked] = await Promise.all(proofs.map(async (proof) => proof.end()));
    expect(one).toEqual(expected);
    expect(other).toEqual(expected);
    expect(unchecked?.results.rest).toEqual([]);
  });

  test('a schema that does not compile any more ends the proof, and not the thread', async () => {
    const made = await prover();
    const broken = made.begin({ ...CHUNK, schema: { ...kept, schema: { type: 'nothing' } } });
    await broken.take(bytes.subarray(0, 100));
    await expect(broken.end()).rejects.toMatchObject({ code: 'E_SCHEMA' });
    broken.drop();
    const proof = made.begin({ ...CHUNK, runId: CHUNK.runId, schema: kept });
    await proof.take(bytes);
    expect((await proof.end()).results.lines).toBe(90);
  });

  test('of more than 20,000 rows, read in a thread as well, each answer is checked once', async () => {
    const count = 20_500;
    const b = await bench({ rates: { schemaErrorRate: 0.02 } });
    const filler = 'x'.repeat(820);
    b.write(
      'in.csv',
      `id,text\n${Array.from({ length: count }, (_u, at) => `${at},question ${at} ${filler}\n`).join('')}`,
    );
    b.write('answer.json', LOOSE);
    await b.exits(3, [...RUN, '--chunk-size', '7000', '--format', 'csv']);
    const wrong = deviants(b);
    expect(wrong).toBeGreaterThan(200);
    const { rows } = await seen(b);
    expect(rows).toMatchObject({ succeeded: count - wrong, failed: wrong });
    const written = table(b.read('in.results.csv'));
    expect(written).toHaveLength(count);
    expect(written.filter((row) => row['label'] === '').length).toBe(wrong);
  });
});
