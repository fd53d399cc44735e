/**
 * Many results are proved in a thread of their own (cli/drive/prove-results.ts): it says the same of them as this thread, and
 * a run that needs it comes out whole.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { integerBetween, seededRng } from '../../src/base/random.ts';
import { ProofHere, type ProvedResults, type ResultProof } from '../../src/engine/collect/result-proof.ts';
import { taggedIds } from '../../src/engine/collect/wire-ids.ts';
import type * as ProveResults from '../../src/cli/drive/prove-results.ts';
import { bench, PROGRAM, requests } from '../support/cli.ts';

const CHUNK = { runId: 'run_0123456789abcdef', chunkNo: 3, rowCount: 200 };

/** The thread is a file of the built program. */
async function prover(): Promise<InstanceType<typeof ProveResults.ThreadProver>> {
  const url = pathToFileURL(join(PROGRAM, '../drive/prove-results.js')).href;
  const { ThreadProver } = (await import(url)) as typeof ProveResults;
  const made = new ThreadProver();
  onTestFinished(() => made.rest());
  return made;
}

function line(at: number, text: string): string {
  const usage = { input_tokens: at, output_tokens: 7 };
  const message = { type: 'message', model: 'claude-haiku-5-5', content: [{ type: 'text', text }], usage };
  const result =
    at % 9 === 4
      ? { type: 'errored', error: { type: 'error', error: { type: 'overloaded_error', message: text } } }
      : { type: 'succeeded', message: { ...message, stop_reason: at % 5 === 0 ? 'max_tokens' : 'end_turn' } };
  return `${JSON.stringify({ custom_id: `0123456789abcdef-3-${at}`, result })}\n`;
}

const LINES = Array.from({ length: 200 }, (_unused, at) => line(at, 'é'.repeat(at * 50)));

async function prove(proof: ResultProof, bytes: Buffer, seed: number): Promise<ProvedResults> {
  const rng = seededRng(seed);
  for (let at = 0; at < bytes.length;) {
    const end = at + integerBetween(rng, 1, 300_000);
    // Memory that is used again right after: what is kept of it must be a copy.
    const piece = Buffer.from(bytes.subarray(at, end));
    const useless = await proof.take(piece);
    piece.fill(0);
    if (useless) break;
    at = end;
  }
  const proved = await proof.end();
  proof.drop();
  return proved;
}

describe('the thread', () => {
  test.each([
    ['whole', LINES],
    ['in another order', LINES.toReversed()],
    ['cut short', LINES.slice(0, 90)],
    ['with a line twice', [...LINES, LINES[7] ?? '']],
    ['with a line of somebody else', [...LINES.slice(0, 20), line(5, '').replace('abcdef-3', 'abcdef-4')]],
    ['with half a line', [...LINES.slice(0, 20), (LINES[20] ?? '').slice(0, 30)]],
  ])('says of results %s what this thread says', async (_what, lines) => {
    const bytes = Buffer.from(lines.join(''));
    const here = await prove(new ProofHere(CHUNK, taggedIds(CHUNK)), bytes, 1);
    const there = await prove((await prover()).begin(CHUNK), bytes, 1);
    expect(there).toEqual(here);
  });

  test('hands out answers that max_tokens cut where they may be asked for again', async () => {
    const bytes = Buffer.from(LINES.join(''));
    const chunk = { ...CHUNK, cutOffs: true };
    const there = await prove((await prover()).begin(chunk), bytes, 1);
    expect(there).toEqual(await prove(new ProofHere(chunk, taggedIds(CHUNK)), bytes, 1));
    expect(there.results.stopReasons).toEqual({});
    expect(there.results.rest.filter(({ line: { type } }) => type === 'succeeded')).toHaveLength(36);
  });

  test('keeps several chunks apart', async () => {
    const made = await prover();
    const others = LINES.slice(0, 40).map((one) => one.replace('abcdef-3-', 'abcdef-4-'));
    const [one, other] = await Promise.all([
      prove(made.begin(CHUNK), Buffer.from(LINES.join('')), 2),
      prove(made.begin({ ...CHUNK, chunkNo: 4, rowCount: 40 }), Buffer.from(others.join('')), 3),
    ]);
    expect([one.problem, one.results.lines, other.problem, other.results.lines]).toEqual([null, 200, null, 40]);
  });

  test('that fails is met by whoever waits for it, and by whoever comes later', async () => {
    const made = await prover();
    const proof = made.begin({ ...CHUNK, rowCount: -1 });
    await expect(prove(proof, Buffer.from(LINES.join('')), 4)).rejects.toThrow(/the thread that proves results failed/);
    expect(() => made.begin(CHUNK)).toThrow(/the thread that proves results failed/);
  });
});

test('memory that was on its way to the thread when it was told to rest is not lost', async () => {
  const made = await prover();
  for (let round = 0; round < 5; round++) {
    const broken = made.begin(CHUNK);
    for (let block = 0; block < 4; block++) await broken.take(Buffer.alloc(500_000, 'x'));
    broken.drop();
    await made.rest();
  }
  expect((await prove(made.begin(CHUNK), Buffer.from(LINES.join('')), 5)).results.lines).toBe(200);
});

test('a run of many rows comes out whole and in order', async () => {
  const b = await bench();
  const count = 21_000;
  b.write('in.jsonl', requests(count));
  await b.ok(['run', 'in.jsonl', '--yes', '--chunk-size', '6000']);
  const ids = b.lines('in.results.jsonl').map((one) => one.custom_id);
  expect(ids).toEqual(Array.from({ length: count }, (_unused, at) => `row-${at + 1}`));
});
