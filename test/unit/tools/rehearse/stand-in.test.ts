/**
 * Stand-ins: as long as the rows that they stand for, with what the simulator must count of them, and nothing else.
 */
import { describe, expect, test } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import { tokensFromBytes } from '../../../../src/domain/estimate/tokenizer.ts';
import { rowAt } from '../../../../src/domain/row/row-block.ts';
import { bytesOfText, FILLER, newTally, standIns, type RowTally } from '../../../../src/tools/rehearse/stand-in.ts';
import { createPromptCache } from '../../../../src/tools/sim/prompt-cache.ts';
import { promptTokens } from '../../../../src/tools/sim/prompt.ts';
import { MODEL, paramsOf, prepared, START_MS, type RowOf } from './lab.ts';

interface Seen {
  readonly text: string;
  readonly params: Record<string, unknown>;
  readonly line: string;
  readonly bytes: number;
}

async function emptied(rows: readonly RowOf[], tally: RowTally = newTally()): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const { block } of standIns(prepared(rows), tally, START_MS).blocks()) {
    for (let at = 0; at < block.rowCount; at++) {
      const { params, line } = rowAt(block, at);
      const text = params.toString();
      seen.push({
        ...{ text, line: line.toString(), bytes: params.length },
        params: JSON.parse(text) as Record<string, unknown>,
      });
    }
  }
  return seen;
}

async function bytesBefore(rows: readonly RowOf[]): Promise<number[]> {
  const bytes: number[] = [];
  for await (const { block } of prepared(rows).blocks()) {
    for (let at = 0; at < block.rowCount; at++) bytes.push(rowAt(block, at).params.length);
  }
  return bytes;
}

const TTL_1H = { type: 'ephemeral', ttl: '1h' } as const;

describe('a stand-in', () => {
  test('is as long as its row, holds none of its text and counts as many tokens', async () => {
    const secret = 'a secret of the customer '.repeat(40);
    const rows = [{ custom_id: 'a', params: paramsOf(secret, { system: 'You are terse. 😀' }) }];
    const [row] = await emptied(rows);
    expect(row?.bytes).toBe((await bytesBefore(rows))[0]);
    expect(row?.text).not.toContain('secret');
    expect(row?.params).toMatchObject({ model: MODEL, max_tokens: 100 });
    const textBytes = Buffer.byteLength(`${secret}You are terse. 😀`);
    expect(promptTokens(row?.params ?? {}, bytesOfText)).toBe(tokensFromBytes(MODEL, textBytes));
  });

  test('by property: of any row the length stays, and the tokens are those of the estimate', async () => {
    const rng = seededRng('stand-ins');
    const letters = ['a', 'ä', '字', '😀', '"', '\\', '\n', '~', '7'];
    const rows = Array.from({ length: 400 }, (_, at) => {
      const length = 1 + Math.floor(rng.next() ** 4 * 3_000);
      const text = Array.from({ length }, () => letters[Math.floor(rng.next() * letters.length)]).join('');
      return { custom_id: `row-${at}`, params: paramsOf(`${text}.`) };
    });
    const tally = newTally();
    const seen = await emptied(rows, tally);
    expect(seen.map(({ bytes }) => bytes)).toEqual(await bytesBefore(rows));
    let replaced = 0;
    for (const [at, row] of seen.entries()) {
      const { content } = (rows[at]?.params['messages'] as { content: string }[])[0] ?? { content: '' };
      const expected = tokensFromBytes(MODEL, Buffer.byteLength(content));
      const counted = promptTokens(row.params, bytesOfText);
      if (row.text.includes(String.fromCharCode(FILLER)) || row.text.includes('~')) replaced++;
      // One that is too short for a stand-in keeps its text, and counts what it has.
      expect(counted).toBeLessThanOrEqual(expected);
      expect(counted).toBeGreaterThanOrEqual(Math.floor(expected / 1.3) - 1);
    }
    expect(replaced).toBeGreaterThan(300);
    expect(tally.rows).toBe(400);
  });

  test('of rows that cache has their prefixes: the same for the same text, and read by whoever comes after', async () => {
    const system = [{ type: 'text', text: 'A long instruction. '.repeat(1_200), cache_control: TTL_1H }];
    const other = [{ type: 'text', text: 'Another instruction. '.repeat(1_200), cache_control: TTL_1H }];
    const rows = [
      { params: paramsOf('one', { system }) },
      { params: paramsOf('two, which is longer', { system }) },
      { params: paramsOf('three', { system: other }) },
    ];
    const [one, two, three] = await emptied(rows);
    const cache = createPromptCache(bytesOfText);
    const first = cache.look('w', one?.params ?? {}, 0);
    const tokens = tokensFromBytes(MODEL, 20 * 1_200);
    expect(first.input).toMatchObject({ write1h: tokens, read: 0 });
    first.keep?.(0);
    expect(cache.look('w', two?.params ?? {}, 1).input).toMatchObject({ write1h: 0, read: tokens });
    expect(cache.look('w', three?.params ?? {}, 1).input).toMatchObject({ read: 0 });
  });

  test('counts an image as an image, whatever its length', async () => {
    const source = { type: 'base64', media_type: 'image/png', data: 'A'.repeat(100_000) };
    const content = [
      { type: 'image', source },
      { type: 'text', text: 'What is this?' },
    ];
    const [row] = await emptied([{ params: paramsOf('', { messages: [{ role: 'user', content }] }) }]);
    const tokens = promptTokens(row?.params ?? {}, bytesOfText);
    expect(tokens).toBeGreaterThan(1_600);
    expect(tokens).toBeLessThan(1_640);
  });

  test('of a row that would be refused is refused, and the reason is told', async () => {
    const tally = newTally();
    const thinking = { type: 'enabled', budget_tokens: 2_000 };
    const rows = [
      { params: paramsOf('fine, and long enough to be one') },
      { params: paramsOf('not fine', { thinking, max_tokens: 4_000 }) },
    ];
    const [, refused] = await emptied(rows, tally);
    expect([...tally.problems.values()]).toEqual([1]);
    expect([...tally.problems.keys()][0]).toMatch(/thinking/);
    expect(refused?.params['messages']).toEqual([{ role: 'user', content: '' }]);
  });

  test('lines keep ids and places and lose their columns', async () => {
    const rows = [
      { custom_id: 'with ",\\"columns\\":" inside', params: paramsOf('x'), note: 'carried' },
      { custom_id: 'plain', params: paramsOf('y'), note: 'carried too' },
      { params: paramsOf('z') },
    ];
    const lines = (await emptied(rows)).map(({ line }) => JSON.parse(line) as unknown);
    expect(lines).toEqual([
      { id: 'with ",\\"columns\\":" inside', line: 1 },
      { id: 'plain', line: 2 },
      { id: '3', line: 3 },
    ]);
  });
});

test('a text that only looks like a stand-in counts what it has', () => {
  expect(bytesOfText('~4711')).toBe(4711);
  expect(bytesOfText('~4711~0a1b2c3d')).toBe(4711);
  expect(bytesOfText('~ 4711')).toBe(6);
  expect(bytesOfText('~x')).toBe(2);
  expect(bytesOfText('ä')).toBe(2);
});
