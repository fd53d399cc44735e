/**
 * `batchrun adopt`: a batch that a script made is followed and collected like one of ours, and nothing is sent for it.
 */
import { describe, expect, test } from 'vitest';
import type { JsonRecord } from '../../src/tools/sim/json.ts';
import {
  ASK,
  asked,
  bench,
  csv,
  echo,
  ENDLESS,
  expectAnswers,
  jsonl,
  KEY,
  MODEL,
  params,
  requests,
  type Bench,
} from '../support/cli.ts';

const HEADERS = { 'content-type': 'application/json', 'x-api-key': KEY, 'anthropic-version': '2023-06-01' } as const;

/** What a script does: one create, by hand. */
async function scripted(b: Bench, rows: readonly { custom_id: string; params: JsonRecord }[]): Promise<string> {
  const response = await fetch(`${b.origin}/v1/messages/batches`, {
    method: 'POST',
    headers: HEADERS,
    body: JSON.stringify({ requests: rows }),
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { id: string }).id;
}

function scriptRows(count: number): { custom_id: string; params: JsonRecord }[] {
  return Array.from({ length: count }, (_, at) => ({
    custom_id: `row-${at + 1}`,
    params: params(`question ${at + 1}`),
  }));
}

const creates = (b: Bench): number => b.world.ledger.batches.length;

test.each(['adopt', 'resolve'])(
  '%s while the API is not there: exit 4, and the way to look is named',
  async (command) => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    await b.ok(['submit', 'in.jsonl', '--state', 'my state']);
    await b.offline();
    const args = command === 'adopt' ? ['msgbatch_1', '--input', 'in.jsonl'] : ['latest', '--chunk', '1', '--lost'];
    const { stderr } = await b.exits(4, [command, ...args, '--state', 'my state']);
    expect(stderr).toMatch(/did not answer.*\n.*batchrun doctor/);
  },
);

test('commands that are named carry the state folder', async () => {
  const b = await bench(ENDLESS);
  b.write('in.jsonl', requests(2));
  const { stderr } = await b.ok(['submit', 'in.jsonl', '--state', 'my state']);
  expect(stderr).toContain("Now: batchrun collect --state 'my state'");
});

describe('a batch of a script', () => {
  test('is collected in the order of the input, with the ids of the script', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(5));
    const batch = await scripted(b, scriptRows(5).reverse());
    const printed = await b.json(0, ['adopt', batch, '--input', 'in.jsonl']);
    expect(printed).toMatchObject({ rows: 5, chunks: 1, uploaded: 1, waiting: 0, already_submitted: false });
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), asked(5));
    expect(creates(b)).toBe(1);
  });

  test('is followed to the end at once with --wait', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(3));
    await b.ok(['adopt', await scripted(b, scriptRows(3)), '--input', 'in.jsonl', '--wait']);
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
  });

  test('continues when the same input is submitted later: nothing is paid again', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(4));
    const { run_id: id } = await b.json(0, ['adopt', await scripted(b, scriptRows(4)), '--input', 'in.jsonl']);
    expect(await b.json(0, ['submit', 'in.jsonl'])).toMatchObject({ run_id: id, already_submitted: true });
    await b.ok(['run', 'in.jsonl']);
    expectAnswers(b.lines('in.results.jsonl'), asked(4));
    expect(creates(b)).toBe(1);
  });

  test('of a CSV is asked for by template and id column', async () => {
    const b = await bench();
    b.write('in.csv', csv(3));
    const rows = [1, 2, 3].map((nth) => ({ custom_id: String(nth), params: params(`Classify: question ${nth}`) }));
    await b.ok(['adopt', await scripted(b, rows), '--input', 'in.csv', '--id-column', 'id', ...ASK, '--wait']);
    expectAnswers(
      b.lines('in.results.jsonl'),
      [1, 2, 3].map((nth) => [String(nth), `Classify: question ${nth}`]),
    );
  });

  test('has its failed rows tried again in our own lanes', async () => {
    const b = await bench({ rates: { errorRate: 1, errorTypes: { api_error: 1 } } });
    b.write('in.jsonl', requests(4));
    const batch = await scripted(b, scriptRows(4));
    b.world.setRates({ errorRate: 0 });
    await b.ok(['adopt', batch, '--input', 'in.jsonl', '--wait']);
    expectAnswers(b.lines('in.results.jsonl'), asked(4));
    expect(b.world.ledger.messages).toHaveLength(4);
    expect((await b.ok(['results', 'latest', '--row', 'row-2'])).stdout).toContain(echo('question 2'));
  });

  test('is never canceled by us', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    await b.ok(['adopt', await scripted(b, scriptRows(2)), '--input', 'in.jsonl']);
    await b.exits(4, ['cancel', 'latest', '--max-wait', '1s']);
    expect(b.world.ledger.batches.map((batch) => batch.status)).toEqual(['in_progress']);
  });

  test('is prunable without its copy at the API being deleted', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(2));
    await b.ok(['adopt', await scripted(b, scriptRows(2)), '--input', 'in.jsonl', '--wait']);
    await b.ok(['prune', 'latest', '--remote']);
    expect(b.calls('DELETE /v1/messages/batches/{id}')).toBe(0);
  });
});

describe('refused, and no run is made:', () => {
  const refusedWith = async (b: Bench, args: readonly string[], code = 'E_ADOPT'): Promise<string> => {
    const { error } = await b.json(2, args);
    expect(error.code).toBe(code);
    expect(b.has('.batchrun') ? b.runFolders() : []).toEqual([]);
    return error.message;
  };

  test('adopt without --input', async () => {
    const b = await bench();
    expect(await refusedWith(b, ['adopt', 'msgbatch_x'], 'E_USAGE')).toContain('--input');
  });

  test('a batch that is not there', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(2));
    expect(await refusedWith(b, ['adopt', 'msgbatch_none', '--input', 'in.jsonl'])).toContain('404');
  });

  test('an input of another size', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(3));
    const batch = await scripted(b, scriptRows(2));
    expect(await refusedWith(b, ['adopt', batch, '--input', 'in.jsonl'])).toContain('holds 2 requests');
  });

  test('another input of the same size, once the batch has ended', async () => {
    const b = await bench();
    b.write('other.jsonl', jsonl([{ custom_id: 'a', params: params('x') }]));
    const batch = await scripted(b, scriptRows(1));
    await expect.poll(() => b.world.ledger.batches[0]?.status).toBe('ended');
    expect(await refusedWith(b, ['adopt', batch, '--input', 'other.jsonl'])).toContain('"row-1"');
  });

  test('ids that no batch can hold', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', jsonl([{ custom_id: 'ä b', params: params('x') }]));
    const batch = await scripted(b, scriptRows(1));
    expect(await refusedWith(b, ['adopt', batch, '--input', 'in.jsonl'])).toContain('custom_id');
  });

  test('a batch that a run follows already, and rows that are a run already', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    const batch = await scripted(b, scriptRows(2));
    const { run_id: id } = await b.json(0, ['adopt', batch, '--input', 'in.jsonl']);
    // The same command again is no mistake: it goes on. With another input it is one.
    expect(await b.json(0, ['adopt', batch, '--input', 'in.jsonl'])).toMatchObject({ run_id: id });
    b.write('other.jsonl', requests(2));
    expect((await b.json(2, ['adopt', batch, '--input', 'other.jsonl'])).error).toMatchObject({
      message: expect.stringContaining(id),
      hint: expect.stringContaining(`batchrun prune ${id}`),
    });
    const second = await scripted(b, scriptRows(2));
    expect((await b.json(2, ['adopt', second, '--input', 'in.jsonl'])).error.message).toContain(id);
    expect(b.runFolders()).toEqual([id]);
  });
});

test('the wrong input of a batch that has not ended is noticed at the end, and nothing is sent', async () => {
  const b = await bench(ENDLESS);
  b.write(
    'other.jsonl',
    jsonl([1, 2].map((nth) => ({ custom_id: `x-${nth}`, params: params('x', { model: MODEL }) }))),
  );
  const batch = await scripted(b, scriptRows(2));
  await b.ok(['adopt', batch, '--input', 'other.jsonl']);
  const canceled = await fetch(`${b.origin}/v1/messages/batches/${batch}/cancel`, { method: 'POST', headers: HEADERS });
  expect(canceled.status).toBe(200);
  const { runs } = await b.json(5, ['collect']);
  expect(runs[0].blocked).toMatchObject([{ reason: 'adopted_mismatch' }]);
  // The way out that the hint names.
  await b.call(['cancel', runs[0].id]);
  await b.call(['collect', runs[0].id]);
  await b.ok(['prune', runs[0].id]);
  b.write('right.jsonl', requests(2));
  await b.ok(['adopt', batch, '--input', 'right.jsonl']);
  expect(creates(b)).toBe(1);
  expect(b.world.ledger.messages).toHaveLength(0);
});
