/**
 * What rows share: found in a sample, put on rows, and found again in a row that was marked.
 */
import { describe, expect, test } from 'vitest';
import { integerBetween, pick, seededRng, type Rng } from '../../../../src/base/random.ts';
import { hasOwnMarks, sameJson, type MarkedPrefix } from '../../../../src/domain/cache/blocks.ts';
import { findPrefixes, PREFIXES_MAX, type FoundPrefix } from '../../../../src/domain/cache/find-prefixes.ts';
import { CacheMarker } from '../../../../src/domain/cache/marker.ts';
import { readMarkedRow } from '../../../../src/domain/cache/warm-up.ts';
import type { JsonObject } from '../../../../src/domain/row/shape.ts';

const MODEL = 'claude-haiku-5-5';
const BYTES_MIN = 100;
const CONTROL = { type: 'ephemeral', ttl: '1h' };

const lines = (count: number, name = 'line'): string =>
  Array.from({ length: count }, (_unused, at) => `${name} ${at}: some words that all rows have\n`).join('');

function row(content: unknown, more: JsonObject = {}): JsonObject {
  return { model: MODEL, max_tokens: 10, messages: [{ role: 'user', content }], ...more };
}

function found(rows: readonly JsonObject[], heads: readonly string[] = []): FoundPrefix[] {
  return findPrefixes(rows, { heads, bytesMin: () => BYTES_MIN });
}

const kept = (prefixes: readonly FoundPrefix[]): MarkedPrefix[] => prefixes.map((one) => ({ ...one, ttl: '1h' }));
const several = (of: (at: number) => JsonObject, count = 20): JsonObject[] =>
  Array.from({ length: count }, (_unused, at) => of(at));

describe('what rows share', () => {
  test('is the system that all of them have', () => {
    const system = lines(10);
    const [prefix, ...others] = found(several((at) => row(`question ${at}`, { system })));
    expect(prefix).toMatchObject({ end: 'system', system: [{ type: 'text', text: system }], rows: 20, messages: [] });
    expect(prefix?.bytes).toBe(system.length);
    expect(others).toEqual([]);
  });

  test('is the tools, where the system differs', () => {
    const tools = several((at) => ({ name: `tool_${at}`, input_schema: { type: 'object' } }), 3);
    const [prefix] = found(several((at) => row('hello', { tools, system: `you are ${at}` })));
    expect(prefix).toMatchObject({ end: 'tools', tools, system: [] });
  });

  test('goes on into the messages, block by block', () => {
    const document = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: lines(40) } };
    const system = lines(2);
    const rows = several((at) => row([document, { type: 'text', text: `question ${at}` }], { system }));
    expect(found(rows)[0]).toMatchObject({ end: 'messages', messages: [{ role: 'user', blocks: [document] }] });
  });

  test('and the head of a text, up to the end of a line', () => {
    const head = lines(40);
    const [prefix] = found(several((at) => row(`${head}row ${at} of many`)));
    expect(prefix).toMatchObject({ splits: true, messages: [{ blocks: [{ type: 'text', text: head }] }] });
  });

  test('but not the few lines behind a long system: a cut is not worth them', () => {
    const system = lines(100);
    const [prefix] = found(several((at) => row(`Classify:\n${at}`, { system })));
    expect(prefix).toMatchObject({ end: 'system', messages: [] });
  });

  test('within a line only where a template says that it is the same for all', () => {
    const head = `${'one long line without any end '.repeat(100)}: `;
    const rows = several((at) => row(`${head}${at}`));
    expect(found(rows)).toEqual([]);
    expect(found(rows, [head])[0]).toMatchObject({ splits: true, messages: [{ blocks: [{ text: head }] }] });
  });

  test('differs from kind to kind, and each kind has its own', () => {
    const rows = several((at) =>
      row(`question ${at}`, { system: at % 2 === 0 ? lines(10, 'even') : lines(20, 'odd') }),
    );
    expect(found(rows).map(({ rows: count, system }) => [count, String(system[0]?.['text']).slice(0, 4)])).toEqual([
      [10, 'odd '],
      [10, 'even'],
    ]);
  });

  test('is found of so many kinds and no more, and of no rare one', () => {
    const many = several((at) => row('q', { system: lines(10, `kind ${at % 15}`) }), 150);
    expect(found(many)).toHaveLength(PREFIXES_MAX);
    const rare = several((at) => row(`q ${at}`, { system: lines(10, at === 7 ? 'rare' : 'usual') }), 100);
    expect(found(rare)).toHaveLength(1);
  });

  test('is nothing of one row, of rows that differ at once, and of rows with marks of their own', () => {
    expect(found([])).toEqual([]);
    expect(found([row('alone', { system: lines(10) })])).toEqual([]);
    expect(found(several((at) => row(`${at} differs`)))).toEqual([]);
    const system = [{ type: 'text', text: lines(10), cache_control: { type: 'ephemeral' } }];
    expect(found(several(() => row('q', { system })))).toEqual([]);
    expect(found(several(() => row('q', { system: lines(10), cache_control: { type: 'ephemeral' } })))).toEqual([]);
  });

  test.each([
    ['models', (at: number) => ({ model: at % 2 === 0 ? MODEL : 'claude-opus-5-5' })],
    ['thinking', (at: number) => (at % 2 === 0 ? { thinking: { type: 'adaptive' } } : {})],
    ['tool_choice', (at: number) => ({ tool_choice: { type: at % 2 === 0 ? 'auto' : 'none' } })],
    ['output_config', (at: number) => ({ output_config: { effort: at % 2 === 0 ? 'low' : 'high' } })],
  ])('is not shared across different %s', (_name, more) => {
    const prefixes = found(several((at) => row(`question ${at}`, { system: lines(10), ...more(at) })));
    expect(prefixes).toHaveLength(2);
    expect(new Set(prefixes.map(({ key }) => key)).size).toBe(2);
  });

  test('ends before what cannot bear a mark', () => {
    const deferred = { name: 'late', input_schema: {}, defer_loading: true };
    const tools = [{ name: 'first', input_schema: {} }, deferred];
    const rows = several((at) => row(`q ${at}`, { tools }));
    expect(found(rows)[0]?.tools).toEqual(tools.slice(0, 1));
    const thinking = [
      { role: 'user', content: lines(10) },
      { role: 'assistant', content: [{ type: 'thinking', thinking: 'x' }] },
    ];
    const talk = several((at) => ({ ...row(''), messages: [...thinking, { role: 'user', content: `q ${at}` }] }));
    expect(found(talk)[0]?.messages).toHaveLength(1);
  });
});

describe('a mark', () => {
  test('leaves rows that begin otherwise, and those with marks of their own, as they are: the very same objects', () => {
    const system = lines(10);
    const marker = new CacheMarker(kept(found(several((at) => row(`q ${at}`, { system })))));
    const others = [
      row('q', { system: `${system}more` }),
      row('q'),
      row('q', { system, model: 'claude-opus-5-5' }),
      row('q', { system, tools: [{ name: 'x' }] }),
      row([{ type: 'text', text: 'q', cache_control: CONTROL }], { system }),
      row([{ type: 'tool_result', tool_use_id: 'x', content: [{ type: 'text', text: 'q', cache_control: CONTROL }] }], {
        system,
      }),
      { model: MODEL, system, messages: [], cache_control: { type: 'ephemeral' } },
    ];
    for (const params of others) {
      const isLonger = params['system'] === `${system}more`;
      // A system that goes on behind a line end is cut there.
      if (isLonger) expect(marker.mark(params)['system']).toHaveLength(2);
      else expect(marker.mark(params)).toBe(params);
    }
  });

  test('leaves no text of white space behind a cut', () => {
    const head = lines(40);
    const marker = new CacheMarker(kept(found(several((at) => row(`${head}row ${at}`)))));
    const blank = row(`${head}  \n`);
    expect(marker.mark(blank)).toBe(blank);
    const nothing = marker.mark(row(head));
    expect(nothing['messages']).toEqual([
      { role: 'user', content: [{ type: 'text', text: head, cache_control: CONTROL }] },
    ]);
  });

  test('stands on the deepest prefix that a row has', () => {
    const system = lines(10);
    const long = lines(60, 'more');
    const rows = several((at) => row(at % 2 === 0 ? `q ${at}` : `${long}q ${at}`, { system }), 40);
    const prefixes = found(rows);
    expect(prefixes.map(({ end, rows: count }) => [end, count])).toEqual([
      ['messages', 20],
      ['system', 20],
    ]);
    const marker = new CacheMarker(kept(prefixes));
    expect(typeof marker.mark(rows[1] ?? {})['system']).toBe('string');
    expect(typeof marker.mark(rows[0] ?? {})['system']).toBe('object');
  });
});

/** Without marks, and with the texts that were cut put together again. */
function unmarked(params: JsonObject, original: JsonObject): JsonObject {
  const clean = (content: unknown, before: unknown): unknown => {
    if (!Array.isArray(content)) return content;
    const blocks = (content as JsonObject[]).map(({ cache_control: _mark, ...block }) => block as JsonObject);
    const was = (typeof before === 'string' ? [{ type: 'text', text: before }] : before) as JsonObject[];
    const merged: JsonObject[] = [];
    for (const block of blocks) {
      const last = merged.at(-1);
      const isCut = last && !sameJson(last, was[merged.length - 1]);
      if (isCut) merged[merged.length - 1] = { ...last, text: `${String(last['text'])}${String(block['text'])}` };
      else merged.push(block);
    }
    return typeof before === 'string' ? merged[0]?.['text'] : merged;
  };
  const messages = (params['messages'] as JsonObject[]).map((message, at) => {
    const before = (original['messages'] as JsonObject[])[at];
    return { ...message, content: clean(message['content'], before?.['content']) };
  });
  const rest: Record<string, unknown> = { ...params, messages };
  for (const name of ['tools', 'system']) if (name in params) rest[name] = clean(params[name], original[name]);
  return rest;
}

const countMarks = (params: JsonObject): number => JSON.stringify(params).split('"cache_control"').length - 1;

function drawnRow(rng: Rng): JsonObject {
  const text = (): string => {
    const head = pick(rng, ['', 'alpha\n', 'alpha\nbeta\n', 'gamma\r\n', '\n', 'ünïcödé \ud83d\ude00\n', lines(3)]);
    return `${head}${pick(rng, ['', 'x', 'y', '  ', 'a\nb', '"quoted\\'])}`;
  };
  const block = (): JsonObject => {
    const kinds: JsonObject[] = [
      { type: 'text', text: text() },
      { type: 'text', text: text(), citations: null },
      { type: 'image', source: { type: 'url', url: pick(rng, ['a', 'b']) } },
      { type: 'thinking', thinking: 'x', signature: 'y' },
    ];
    return pick(rng, kinds);
  };
  const content = (): unknown => (rng.next() < 0.5 ? text() : Array.from({ length: integerBetween(rng, 0, 3) }, block));
  const messages = Array.from({ length: integerBetween(rng, 1, 3) }, (_unused, at) => {
    return { role: at % 2 === 0 ? 'user' : 'assistant', content: content() };
  });
  const params: Record<string, unknown> = { model: pick(rng, [MODEL, 'claude-opus-5-5']), max_tokens: 5 };
  if (rng.next() < 0.5) params['system'] = content();
  if (rng.next() < 0.3) params['tools'] = [{ name: pick(rng, ['t', 'u']), input_schema: { type: 'object' } }];
  if (rng.next() < 0.2) params['tool_choice'] = { type: 'auto' };
  return { ...params, messages };
}

test('marks, taken away again, leave the row that was: one of them, on a prefix that is known (60 seeds)', () => {
  let marks = 0;
  for (let seed = 0; seed < 60; seed++) {
    const rng = seededRng(`marks|${seed}`);
    const shapes = Array.from({ length: integerBetween(rng, 1, 4) }, () => drawnRow(rng));
    const rows = Array.from({ length: 30 }, () => (rng.next() < 0.7 ? pick(rng, shapes) : drawnRow(rng)));
    const prefixes = findPrefixes(rows, { bytesMin: () => integerBetween(rng, 0, 60) });
    expect(findPrefixes(rows, { bytesMin: () => 0 })).toEqual(
      findPrefixes(structuredClone(rows), { bytesMin: () => 0 }),
    );
    const keys = new Set(prefixes.map(({ key }) => key));
    const marker = new CacheMarker(structuredClone(kept(prefixes)));
    for (const params of [...rows, ...Array.from({ length: 20 }, () => drawnRow(rng))]) {
      const before = JSON.stringify(params);
      const marked = marker.mark(params);
      const isMarked = marked !== params;
      if (isMarked) marks++;
      const seen = {
        ...{ seed, changed: JSON.stringify(params) !== before, names: Object.keys(marked) },
        ...{ marks: countMarks(marked), own: hasOwnMarks(marked), rest: JSON.stringify(unmarked(marked, params)) },
        // The same row, marked twice, is marked once.
        ...{ again: marker.mark(marked) === marked, key: keys.has(readMarkedRow(marked)?.key ?? '') },
      };
      expect(seen).toEqual({
        ...{ seed, changed: false, names: Object.keys(params), rest: before },
        ...{ marks: isMarked ? 1 : 0, own: isMarked, again: true, key: isMarked },
      });
    }
  }
  expect(marks).toBeGreaterThan(500);
});
