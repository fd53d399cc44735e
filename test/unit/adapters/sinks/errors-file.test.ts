import { describe, expect, it } from 'vitest';
import { errorsLine } from '../../../../src/adapters/sinks/formatter.ts';
import { ERRORED_LINE, record } from './records.ts';

const paramsJson = '{"model":"m","max_tokens":1.0,"messages":[]}';

describe('a line of the errors file', () => {
  it('holds the request as it was sent and why it did not succeed', () => {
    const row = { ...record({ state: 'failed', line: ERRORED_LINE, customId: 'a"b' }), paramsJson, betas: [] };
    expect(errorsLine(row)).toBe(
      `{"custom_id":"a\\"b","params":${paramsJson},"error":{"type":"invalid_request_error","message":"max_tokens: too many","status":"failed"}}\n`,
    );
  });

  it('names the betas of the row where it has some', () => {
    const row = { ...record({ state: 'expired', line: null }), paramsJson, betas: ['b-1', 'b-2'] };
    expect(JSON.parse(errorsLine(row))).toEqual({
      custom_id: 'row-5',
      params: { model: 'm', max_tokens: 1, messages: [] },
      betas: ['b-1', 'b-2'],
      error: { type: 'expired', message: 'The row is expired.', status: 'expired' },
    });
  });

  it.each([
    [
      record({ state: 'canceled', line: null }),
      { type: 'canceled', message: 'The row is canceled.', status: 'canceled' },
    ],
    [record({ state: 'failed', line: null }), { type: 'batchrun_failed', status: 'failed' }],
    [
      record({ state: 'invalid', line: null, errorType: 'batchrun_json', errorMessage: 'no JSON' }),
      { type: 'batchrun_json', message: 'no JSON', status: 'invalid' },
    ],
  ])('gives a reason for every kind of row: %#', (row, error) => {
    expect(JSON.parse(errorsLine({ ...row, paramsJson, betas: [] }))).toMatchObject({ error });
  });

  it('stays one line, and has null where there never were params', () => {
    const row = record({ state: 'invalid', line: null });
    expect(errorsLine({ ...row, paramsJson: '{\n  "model": "m"\n}', betas: [] }).split('\n')).toHaveLength(2);
    expect(JSON.parse(errorsLine({ ...row, paramsJson: null, betas: [] }))).toMatchObject({ params: null });
  });
});
