import { describe, expect, it, vi } from 'vitest';
import { createFormatter } from '../../../../src/adapters/sinks/formatter.ts';
import { isBatchrunError } from '../../../../src/base/errors.ts';
import { TextBlock } from '../../../../src/base/text-block.ts';
import { parseResultLine } from '../../../../src/domain/result-line.ts';
import { ERRORED_LINE, record, succeededLine, WIRE_ID } from './records.ts';

const formatter = createFormatter({ format: 'jsonl', columns: ['text'], defuseFormulas: true });

describe('the jsonl format', () => {
  it('has no header', () => {
    expect(formatter.header()).toBeNull();
  });

  it.each([
    ['succeeded', succeededLine()],
    ['failed', ERRORED_LINE],
    ['expired', `{"custom_id":"${WIRE_ID}","result":{"type":"expired"}}`],
    ['canceled', `{"custom_id":"${WIRE_ID}","result":{"type":"canceled"}}`],
  ] as const)('gives the line of a %s row with its own id and not a byte changed', (state, line) => {
    const expected = `${line.replace(WIRE_ID, 'my row: \\"5\\"')}\n`;
    expect(formatter.format(record({ state, line, customId: 'my row: "5"' }))).toBe(expected);
    expect(formatter.format(record({ state, line: `${line}\r\n`, customId: 'my row: "5"' }))).toBe(expected);
  });

  it('does not parse the line', () => {
    const parse = vi.spyOn(JSON, 'parse');
    formatter.format(record());
    expect(parse).not.toHaveBeenCalled();
    parse.mockRestore();
  });

  it.each([
    [
      record({ state: 'failed', line: null, errorType: 'batchrun_results_lost', errorMessage: 'too late' }),
      '{"custom_id":"row-5","result":{"type":"errored","error":{"type":"error","error":{"type":"batchrun_results_lost","message":"too late"},"request_id":null}}}',
    ],
    [
      record({
        state: 'invalid',
        line: null,
        errorType: 'batchrun_json',
        errorMessage: 'no JSON',
        lane: null,
        attempts: 0,
      }),
      '{"custom_id":"row-5","result":{"type":"errored","error":{"type":"error","error":{"type":"batchrun_json","message":"no JSON"},"request_id":null}}}',
    ],
    [record({ state: 'expired', line: null }), '{"custom_id":"row-5","result":{"type":"expired"}}'],
    [record({ state: 'canceled', line: null }), '{"custom_id":"row-5","result":{"type":"canceled"}}'],
  ])('writes a line in the shape of the API for a row without one: %#', (row, line) => {
    expect(formatter.format(row)).toBe(`${line}\n`);
  });

  it.each([
    ['failed', 'batchrun_failed'],
    ['invalid', 'batchrun_invalid'],
    ['waiting', 'batchrun_not_finished'],
    ['in_batch', 'batchrun_not_finished'],
  ] as const)('gives a %s row that says nothing about itself the type %s and a sentence', (state, type) => {
    const line = parseResultLine(formatter.format(record({ state, line: null })));
    expect(line?.errorType).toBe(type);
    expect(line?.errorMessage).toMatch(/^The row .+\.$/);
  });

  it('never gives out the line of another row, and never invents an answer', () => {
    const act = (): string => formatter.format(record({ wireId: '0a1b2c3d4e-3-18' }));
    expect(act).toThrow(expect.toSatisfy((error: unknown) => isBatchrunError(error, 'E_STATE_CORRUPT')));
    expect(() => formatter.format(record({ line: null }))).toThrow(/no result line/);
    expect(() => formatter.format(record({ wireId: null }))).toThrow(/no wire id/);
  });
});

describe('a record as bytes', () => {
  const raw = (line: string, customId: string): { block: TextBlock; written: boolean } => {
    const block = new TextBlock(1_000);
    const idJson = Buffer.from(JSON.stringify(customId));
    const written = formatter.appendRaw?.({ resultLine: Buffer.from(line), wireId: WIRE_ID, idJson }, block) ?? false;
    return { block, written };
  };

  it.each(['row-5', 'my row: "5"', 'é💶', '\\', '\n'])('comes out as the text of it does (%j)', (customId) => {
    const { block, written } = raw(succeededLine(), customId);
    expect(written).toBe(true);
    expect(block.take().toString()).toBe(formatter.format(record({ customId })));
  });

  it.each([
    ['has its line end', `${succeededLine()}\n`],
    ['begins otherwise', succeededLine().replace('{"custom_id"', '{ "custom_id"')],
    ['is of another row', succeededLine().replace(WIRE_ID, `${WIRE_ID}0`)],
    ['has no room', succeededLine().replace('}', ' '.repeat(1_000) + '}')],
  ])('is left to the text where it %s', (_what, line) => {
    const { block, written } = raw(line, 'row-5');
    expect([written, block.length]).toEqual([false, 0]);
  });
});
