/** The fields of answers as columns of `flat` and `csv`; nothing is different without a schema. */
import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';
import { createFormatter, errorsLine } from '../../../../src/adapters/sinks/formatter.ts';
import { OUR_FIELDS } from '../../../../src/adapters/sinks/fields.ts';
import { pick, seededRng, shuffled } from '../../../../src/base/random.ts';
import type { OutputRecord } from '../../../../src/domain/output-record.ts';
import { answerColumns } from '../../../../src/domain/schema/answer-columns.ts';
import { record, succeededLine } from './records.ts';

type Json = Record<string, unknown>;
const type = (name: string): Json => ({ type: name });
const answer = (properties: Json) => answerColumns({ type: 'object', properties });

const COLUMNS = answer({
  label: type('string'),
  score: type('number'),
  sure: type('boolean'),
  at: { type: 'object', properties: { city: type('string') } },
  tags: type('array'),
});
const ANSWER = { label: 'a,"b"', score: 0.25, sure: false, at: { city: 'Köln' }, tags: [1, { x: null }] };

const said = (value: unknown, more: Parameters<typeof record>[0] = {}): OutputRecord =>
  record({
    line: succeededLine([{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }]),
    ...more,
  });
const deviant = (value: unknown): OutputRecord =>
  said(value, {
    state: 'failed',
    errorType: 'batchrun_schema',
    errorMessage: 'the answer does not follow the schema: type at /score',
  });

function csv(rows: readonly OutputRecord[], columns: readonly string[], fields = COLUMNS): string[][] {
  const formatter = createFormatter({ format: 'csv', columns, defuseFormulas: false, answer: fields });
  return parse(`${formatter.header()}${rows.map((row) => formatter.format(row)).join('')}`);
}

function flat(row: OutputRecord, columns: readonly string[] = [], fields = COLUMNS): Json {
  return JSON.parse(
    createFormatter({ format: 'flat', columns, defuseFormulas: false, answer: fields }).format(row),
  ) as Json;
}

describe('csv', () => {
  test('has them after our fields and before the columns of the input, nested ones as JSON', () => {
    const [header = [], row = [], failed = []] = csv(
      [said(ANSWER, { columns: { n: 3 } }), deviant('{"score":"x"}')],
      ['n'],
    );
    expect(header).toEqual(['custom_id', ...OUR_FIELDS, 'label', 'score', 'sure', 'at.city', 'tags', 'n']);
    expect(row.slice(-6)).toEqual(['a,"b"', '0.25', 'false', 'Köln', '[1,{"x":null}]', '3']);
    expect(failed.slice(-6)).toEqual(['', '', '', '', '', '']);
  });

  test('keeps its header whatever comes, and its rows as long as it', () => {
    const rows = [
      said('prose'),
      said('{}'),
      said('[]'),
      said({ label: { deep: 1 }, more: 1 }),
      record({ line: null, state: 'expired' }),
    ];
    const table = csv(rows, []);
    expect(new Set(table.map((row) => row.length))).toEqual(new Set([OUR_FIELDS.length + 1 + COLUMNS.length]));
  });
});

describe('flat', () => {
  test('has the types of the answer', () => {
    const row = flat(said(ANSWER, { columns: { n: 3 } }), ['n']);
    expect(row).toMatchObject({
      label: 'a,"b"',
      score: 0.25,
      sure: false,
      'at.city': 'Köln',
      tags: [1, { x: null }],
      n: 3,
    });
    expect(Object.keys(row).slice(-6)).toEqual(['label', 'score', 'sure', 'at.city', 'tags', 'n']);
  });

  test('of a row that failed for its answer has what it said, and what it cost', () => {
    expect(flat(deviant('{"score":"x"}'))).toMatchObject({
      ...{ status: 'failed', text: '{"score":"x"}', error_type: 'batchrun_schema', stop_reason: 'end_turn' },
      ...{ error_message: 'the answer does not follow the schema: type at /score', cost_usd: 0.00126, score: null },
    });
  });
});

describe('names', () => {
  test('of ours, and of the input, never stand twice', () => {
    const fields = answer({
      text: type('string'),
      status: type('string'),
      answer_text: type('string'),
      n: type('number'),
    });
    const [header = [], row = []] = csv(
      [said({ text: 't', status: 's', answer_text: 'u', n: 1 }, { columns: { n: 9 } })],
      ['n'],
      fields,
    );
    expect(header.slice(OUR_FIELDS.length + 1)).toEqual([
      'answer_answer_text',
      'answer_status',
      'answer_text',
      'n',
      'input_n',
    ]);
    expect(row.slice(OUR_FIELDS.length + 1)).toEqual(['t', 's', 'u', '1', '9']);
  });

  test('by chance: each name once, ours and those of the answer in their places, every value under its name', () => {
    const rng = seededRng('answer-names');
    const pool = [
      'text',
      'status',
      'n',
      'answer_text',
      'input_n',
      'answer_n',
      'custom_id',
      'a.b',
      'model',
      'x',
      '__proto__',
    ];
    for (let nth = 0; nth < 1_000; nth++) {
      const names = shuffled(rng, pool).slice(0, 1 + (nth % 6));
      const columns = shuffled(rng, pool).slice(0, nth % 5);
      const fields = names.map((name) => ({ name, path: [name] }));
      const value = Object.fromEntries(names.map((name, at) => [name, pick(rng, [at, `v${at}`, true])]));
      const carried = Object.fromEntries(columns.map((name, at) => [name, `in${at}`]));
      const [header = [], row = []] = csv([said(value, { columns: carried })], columns, fields);
      expect(new Set(header).size).toBe(header.length);
      expect(header.slice(0, OUR_FIELDS.length + 1)).toEqual(['custom_id', ...OUR_FIELDS]);
      expect(row.slice(OUR_FIELDS.length + 1, OUR_FIELDS.length + 1 + names.length)).toEqual(
        names.map((name) => String(Object.hasOwn(value, name) ? value[name] : '')),
      );
      expect(
        Object.keys(flat(said(value, { columns: carried }), columns, fields)).filter((name) => name !== 'content'),
      ).toEqual(header.filter((name) => name !== 'content'));
    }
  });
});

test('without a schema nothing is different', () => {
  const row = said(ANSWER, { columns: { label: 'x' } });
  for (const format of ['csv', 'flat', 'jsonl'] as const) {
    const before = createFormatter({ format, columns: ['label'], defuseFormulas: true });
    const now = createFormatter({ format, columns: ['label'], defuseFormulas: true, answer: [] });
    expect(now.header()).toBe(before.header());
    expect(now.format(row)).toBe(before.format(row));
  }
});

test('in the shape of the API the row is an error, and the answer is in its details', () => {
  const text = createFormatter({ format: 'jsonl', columns: [], defuseFormulas: false }).format(
    deviant('{"score":"x"}'),
  );
  const line = JSON.parse(text) as { custom_id: string; result: { type: string; error: Json } };
  expect(line).toMatchObject({
    custom_id: 'row-5',
    result: { type: 'errored', error: { type: 'error', request_id: null } },
  });
  expect(line.result.error['error']).toMatchObject({
    ...{ type: 'batchrun_schema', message: 'the answer does not follow the schema: type at /score' },
    details: { answer: { id: 'msg_1', content: [{ type: 'text', text: '{"score":"x"}' }], stop_reason: 'end_turn' } },
  });
});

test('the errors file has the answer beside the request', () => {
  const line = errorsLine({ ...deviant('{"score":"x"}'), paramsJson: '{"model":"m"}', betas: [] });
  expect(JSON.parse(line)).toEqual({
    custom_id: 'row-5',
    params: { model: 'm' },
    error: {
      ...{
        type: 'batchrun_schema',
        message: 'the answer does not follow the schema: type at /score',
        status: 'failed',
      },
      answer: '{"score":"x"}',
    },
  });
});
