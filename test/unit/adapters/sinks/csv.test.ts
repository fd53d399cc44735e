import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { createFormatter } from '../../../../src/adapters/sinks/formatter.ts';
import type { OutputRecord } from '../../../../src/domain/output-record.ts';
import { ERRORED_LINE, record, succeededLine, TEXT } from './records.ts';

interface Table {
  readonly columns?: readonly string[];
  readonly defuseFormulas?: boolean;
  readonly idColumnName?: string;
}

function csv(rows: readonly OutputRecord[], { columns = [], defuseFormulas = true, idColumnName }: Table = {}): string {
  const formatter = createFormatter({ format: 'csv', columns, defuseFormulas, idColumnName });
  return `${formatter.header()}${rows.map((row) => formatter.format(row)).join('')}`;
}

function read(text: string): Record<string, string>[] {
  return parse(text, { columns: true, bom: false });
}

describe('the csv format', () => {
  it('is a header and one record a row, quoted where needed, ended by a line feed', () => {
    const rows = [
      record({ columns: { category: 'top, up' } }),
      record({ state: 'failed', line: ERRORED_LINE, columns: {} }),
    ];
    expect(csv(rows, { columns: ['category'] })).toBe(
      'custom_id,status,text,content,stop_reason,model,error_type,error_message,input_tokens,output_tokens,cache_creation_input_tokens,cache_read_input_tokens,cost_usd,lane,attempts,category\n' +
        `row-5,succeeded,"${TEXT.replaceAll('"', '""')}",,end_turn,claude-haiku-4-5,,,1000,300,0,200,0.00126,batch,1,"top, up"\n` +
        'row-5,failed,,,,,invalid_request_error,max_tokens: too many,,,,,0,batch,1,\n',
    );
  });

  it('comes back through a CSV reader as it went out', () => {
    const texts = [TEXT, 'a\r\nb', 'a\rb', '"', '""', ',', ' a ', '', "it's, 'so'", 'x\n', 'é,日本,🙂', 'tab\there'];
    const rows = texts.map((text) =>
      record({ columns: { query: text, label: 'l' }, line: succeededLine([{ type: 'text', text }]) }),
    );
    const back = read(csv(rows, { columns: ['query', 'label'] }));
    expect(back.map((row) => row['text'])).toEqual(texts);
    expect(back.map((row) => row['query'])).toEqual(texts);
    expect(back.every((row) => row['label'] === 'l' && row['attempts'] === '1')).toBe(true);
  });

  it.each(['=1+1', '+49 30 1234', '-2', '@cmd', '\tx', '\rx', '=HYPERLINK("http://x","y")'])(
    'defuses %j in texts, columns, ids and headers, unless told not to',
    (text) => {
      const row = record({ customId: text, columns: { [text]: text }, line: succeededLine([{ type: 'text', text }]) });
      const safe = read(csv([row], { columns: [text] }))[0];
      expect([safe?.['custom_id'], safe?.['text'], safe?.[`'${text}`]]).toEqual([`'${text}`, `'${text}`, `'${text}`]);
      const plain = read(csv([row], { columns: [text], defuseFormulas: false }))[0];
      expect([plain?.['custom_id'], plain?.['text'], plain?.[text]]).toEqual([text, text, text]);
    },
  );

  it('leaves numbers alone, and writes booleans and objects as JSON does', () => {
    const columns = { n: -2.5, yes: true, no: false, none: null, list: [1, 'a'], object: { a: 1 } };
    const back = read(csv([record({ columns })], { columns: Object.keys(columns) }))[0];
    expect(back).toMatchObject({ n: '-2.5', yes: 'true', no: 'false', none: '', list: '[1,"a"]', object: '{"a":1}' });
  });

  it('has content that is more than text as JSON', () => {
    const content = [{ type: 'tool_use', id: 't', name: 'n', input: { a: 'x,y' } }];
    const back = read(csv([record({ line: succeededLine(content) })]))[0];
    expect(JSON.parse(back?.['content'] ?? '')).toEqual(content);
    expect(back?.['text']).toBe('');
  });

  it('keeps the columns in the order of the input, with input_ before those named like ours', () => {
    const columns = ['lane', 'zebra', 'text', 'apple'];
    const row = record({ columns: { apple: 'a', lane: 'l', text: 't', zebra: 'z', unknown: 'u' } });
    const [header, cells] = parse(csv([row], { columns }));
    expect(header?.slice(15)).toEqual(['input_lane', 'zebra', 'input_text', 'apple']);
    expect(cells?.slice(15)).toEqual(['l', 'z', 't', 'a']);
  });

  it('calls the id as the input does', () => {
    const [header, cells] = parse(
      csv([record({ columns: { id: 'row-5', b: '2' } })], { columns: ['id', 'b'], idColumnName: 'id' }),
    );
    expect([header?.[0], ...(header?.slice(15) ?? [])]).toEqual(['id', 'b']);
    expect([cells?.[0], ...(cells?.slice(15) ?? [])]).toEqual(['row-5', '2']);
  });

  it('gives every record as many cells as the header, whatever the row has', () => {
    const rows = [
      record(),
      record({ columns: { a: 'x', b: 'y', c: 'z' } }),
      record({ state: 'invalid', line: null, lane: null, errorMessage: 'bad, "very" bad' }),
      record({ state: 'canceled', line: null }),
      record({ state: 'expired', line: null }),
    ];
    const table = parse(csv(rows, { columns: ['a', 'b'] }));
    expect(table).toHaveLength(6);
    expect(new Set(table.map((cells) => cells.length))).toEqual(new Set([17]));
  });
});
