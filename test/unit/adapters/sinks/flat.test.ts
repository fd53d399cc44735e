import { describe, expect, it } from 'vitest';
import { createFormatter } from '../../../../src/adapters/sinks/formatter.ts';
import type { OutputRecord } from '../../../../src/domain/output-record.ts';
import { isBatchrunError } from '../../../../src/base/errors.ts';
import { ERRORED_LINE, record, succeededLine, TEXT, WIRE_ID } from './records.ts';

function flat(row: OutputRecord, columns: readonly string[] = [], idColumnName?: string): Record<string, unknown> {
  const text = createFormatter({ format: 'flat', columns, defuseFormulas: true, idColumnName }).format(row);
  expect(text.indexOf('\n')).toBe(text.length - 1);
  return JSON.parse(text) as Record<string, unknown>;
}

const NO_ANSWER = {
  text: null,
  stop_reason: null,
  model: null,
  input_tokens: null,
  output_tokens: null,
  cache_creation_input_tokens: null,
  cache_read_input_tokens: null,
  cost_usd: 0,
};

describe('the flat format', () => {
  it('has one object for an answer, with its cost and the columns of the input after it', () => {
    const row = flat(record({ columns: { category: 'top_up', n: 3 } }), ['category', 'n']);
    expect(row).toEqual({
      custom_id: 'row-5',
      status: 'succeeded',
      text: TEXT,
      stop_reason: 'end_turn',
      model: 'claude-haiku-4-5',
      error_type: null,
      error_message: null,
      input_tokens: 1_000,
      output_tokens: 300,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 200,
      // (1,000 x 1 + 300 x 5 + 200 x 0.1) / 2 per million.
      cost_usd: 0.00126,
      lane: 'batch',
      attempts: 1,
      category: 'top_up',
      n: 3,
    });
    expect(Object.keys(row).slice(0, 3)).toEqual(['custom_id', 'status', 'text']);
  });

  it('has no cost for a model without a price, and the full price in the realtime lane', () => {
    expect(flat(record({ line: succeededLine([], 'claude-opus-99') }))).toMatchObject({ cost_usd: null, text: '' });
    expect(flat(record({ lane: 'realtime' }))).toMatchObject({ cost_usd: 0.00252, lane: 'realtime' });
    expect(flat(record({ lane: null }))).toMatchObject({ cost_usd: null });
  });

  it('keeps content that is more than text, as it came', () => {
    const content = [
      { type: 'text', text: 'Let me look.' },
      { type: 'tool_use', id: 't1', name: 'look', input: { a: [1] } },
    ];
    expect(flat(record({ line: succeededLine(content) }))).toMatchObject({ text: 'Let me look.', content });
    expect(flat(record())).not.toHaveProperty('content');
  });

  it.each([
    [
      record({ state: 'failed', line: ERRORED_LINE, attempts: 1 }),
      { status: 'failed', error_type: 'invalid_request_error', error_message: 'max_tokens: too many' },
    ],
    [
      record({ state: 'failed', line: ERRORED_LINE, errorType: 'batchrun_x', errorMessage: 'ours' }),
      { status: 'failed', error_type: 'batchrun_x', error_message: 'ours' },
    ],
    [
      record({ state: 'failed', line: null }),
      { status: 'failed', error_type: 'batchrun_failed', error_message: 'The row failed: batchrun_failed.' },
    ],
    [
      record({ state: 'expired', line: `{"custom_id":"${WIRE_ID}","result":{"type":"expired"}}`, attempts: 4 }),
      { status: 'expired', error_type: null, error_message: null, attempts: 4 },
    ],
    [
      record({ state: 'canceled', line: null, lane: null, errorType: 'api_error' }),
      { status: 'canceled', error_type: null, error_message: null, lane: null },
    ],
    [
      record({ state: 'invalid', line: null, lane: null, attempts: 0, errorType: 'batchrun_json', errorMessage: 'm' }),
      { status: 'invalid', error_type: 'batchrun_json', error_message: 'm', lane: null, attempts: 0 },
    ],
  ])('says of a row without an answer why, and knows no tokens: %#', (row, expected) => {
    expect(flat(row)).toEqual({ custom_id: 'row-5', lane: 'batch', attempts: 1, ...NO_ANSWER, ...expected });
  });

  it('puts input_ before a column that is named like a field of ours, and never twice the same name', () => {
    const columns = { status: 'open', input_status: 'kept', custom_id: 'c', text: 't', content: 'x' };
    const row = flat(record({ columns }), Object.keys(columns));
    expect(row).toMatchObject({
      status: 'succeeded',
      input_status: 'kept',
      input_input_status: 'open',
      custom_id: 'row-5',
      input_custom_id: 'c',
      text: TEXT,
      input_text: 't',
      input_content: 'x',
    });
  });

  it('calls the id as the input does, and does not repeat it', () => {
    const row = flat(record({ columns: { ticket: 'row-5', status: 's' } }), ['ticket', 'status'], 'ticket');
    expect(row).toMatchObject({ ticket: 'row-5', input_status: 's' });
    expect(row).not.toHaveProperty('custom_id');
    expect(row).not.toHaveProperty('input_ticket');
    expect(flat(record({ columns: { status: 's' } }), ['status'], 'status')).toMatchObject({
      custom_id: 'row-5',
      status: 'succeeded',
      input_status: 's',
    });
  });

  it('carries columns that only some rows have, and odd names', () => {
    const columns = JSON.parse('{"late":1,"status":2,"__proto__":3}') as Record<string, unknown>;
    const row = flat(record({ columns }), ['early']);
    expect(row).toMatchObject({ late: 1, input_status: 2 });
    expect(Object.getOwnPropertyDescriptor(row, '__proto__')?.value).toBe(3);
    expect(row).not.toHaveProperty('early');
  });

  it('never gives out the line of another row', () => {
    for (const row of [record({ wireId: 'other00-1-1' }), record({ line: 'not a line' })]) {
      expect(() => flat(row)).toThrow(expect.toSatisfy((error: unknown) => isBatchrunError(error, 'E_STATE_CORRUPT')));
    }
    expect(() => flat(record({ line: null }))).toThrow(/no result line/);
  });
});
