/**
 * All problems of an input: each is handed on, kinds are counted, and ids that occur twice are told as a submit tells them.
 */
import { describe, expect, test } from 'vitest';
import type { RowReading, SourceRecord } from '../../../src/domain/source.ts';
import type { ShownProblem } from '../../../src/engine/ingest/problems.ts';
import { checkRows, type CheckReport } from '../../../src/tools/check/check-rows.ts';
import { createMemoryFiles } from '../../support/memory-files.ts';

interface Checked {
  readonly report: CheckReport;
  readonly told: readonly ShownProblem[];
}

async function check(
  records: readonly SourceRecord[],
  options: { readonly limit?: number; readonly inputs?: readonly string[]; readonly signal?: AbortSignal } = {},
): Promise<Checked> {
  const told: ShownProblem[] = [];
  const source = {
    columns: [],
    async *records() {
      for (const record of records) yield [record];
    },
    progress: () => ({ readBytes: 0, totalBytes: null }),
  };
  const report = await checkRows({
    source,
    read: (record) => record.value as RowReading,
    inputs: options.inputs ?? ['in.jsonl'],
    limit: options.limit ?? null,
    files: createMemoryFiles().files(),
    signal: options.signal ?? new AbortController().signal,
    onProblem: (problem) => void told.push(problem),
  });
  return { report, told };
}

function good(line: number, customId?: string, file = 0): SourceRecord {
  const row = { customId, paramsJson: '{"ü":1}', model: 'm' };
  return { file, line, value: { ok: true, row, notices: line === 2 ? [{ code: 'n', message: 'note' }] : [] } };
}

function bad(line: number, ...codes: string[]): SourceRecord {
  const problems = codes.map((code) => ({ code, message: `${code}!` }));
  return { file: 0, line, value: { ok: false, problems, customId: undefined } };
}

describe('checkRows', () => {
  test('counts kinds, rows and problems', async () => {
    const { report, told } = await check([good(1), good(2), bad(3, 'json'), bad(4, 'a', 'a', 'b'), bad(5, 'a')]);
    expect(report).toMatchObject({ rows: 5, bad_rows: 3, problem_count: 5, models: { m: 2 }, request_bytes: 16 });
    expect(report.kinds.map(({ code, count, first }) => [code, count, first.line])).toEqual([
      ['a', 3, 4],
      ['json', 1, 3],
      ['b', 1, 4],
    ]);
    expect(report.notices).toEqual([{ code: 'n', message: 'note', rows: 1 }]);
    expect(report.largest).toEqual({ file: 'in.jsonl', line: 1, bytes: 8 });
    expect(told.map(({ line, id, message }) => [line, id, message])).toEqual([
      [3, '3', 'json!'],
      [4, '4', 'a!'],
      [4, '4', 'a!'],
      [4, '4', 'b!'],
      [5, '5', 'a!'],
    ]);
  });

  test('the first row keeps an id, and an explicit one goes before a line number', async () => {
    const { report, told } = await check([good(1), good(2, 'x'), good(3, 'x'), good(4, '1'), good(5, 'x')]);
    expect(report).toMatchObject({ bad_rows: 3, kinds: [{ code: 'duplicate_id', count: 3 }] });
    expect(told.map(({ line, message }) => [line, message])).toEqual([
      [1, expect.stringContaining('would get its line number, "1", but that is the id of the row on line 4')],
      [3, 'the id "x" is already that of the row on line 2'],
      [5, 'the id "x" is already that of the row on line 2'],
    ]);
  });

  test('with several inputs, line numbers have the file in front', async () => {
    const inputs = ['a', 'b'];
    const { report, told } = await check([good(1), good(1, undefined, 1), good(2, '1:1', 1), good(3, '1', 1)], {
      inputs,
    });
    expect(report.rows).toBe(4);
    expect(told.map(({ file, line }) => [file, line])).toEqual([['a', 1]]);
  });

  test('only the first so many rows', async () => {
    expect((await check([good(1, 'x'), good(2, 'x')], { limit: 1 })).report).toMatchObject({
      rows: 1,
      problem_count: 0,
    });
  });

  test('stops when it is asked to', async () => {
    const stop = new AbortController();
    stop.abort();
    await expect(check([good(1)], { signal: stop.signal })).rejects.toMatchObject({ code: 'E_NOT_FINISHED' });
  });
});
