/** Text gathered in blocks is what was put in, whatever its size; what was taken stays until the block is needed again. */
import { describe, expect, test } from 'vitest';
import { BlockPair, TextBlock } from '../../../src/base/text-block.ts';

describe('a block', () => {
  test('takes text, ASCII and bytes one after the other, and counts them', () => {
    const block = new TextBlock(100);
    expect([block.append('é💶'), block.appendAscii('abc')]).toEqual([6, 3]);
    block.appendBytes(Buffer.from('ü'));
    expect(block.length).toBe(11);
    expect(block.take().toString()).toBe('é💶abcü');
    expect([block.length, block.take().length]).toEqual([0, 0]);
  });

  test('grows up to its bound, keeps what it has, and says when there is no room', () => {
    const block = new TextBlock(100_000);
    let expected = '';
    for (let at = 0; block.hasRoomForBytes(1_000); at++) {
      const text = String(at % 10).repeat(1_000);
      block.append(text);
      expected += text;
    }
    expect(block.length).toBe(100_000);
    expect([block.hasRoomForBytes(0), block.hasRoomForBytes(1), block.hasRoom(1)]).toEqual([true, false, false]);
    expect(block.take().toString()).toBe(expected);
  });

  test('asks for three bytes a character, which is the most that one takes', () => {
    const block = new TextBlock(30);
    expect([block.hasRoom(10), block.hasRoom(11)]).toEqual([true, false]);
    block.append('\uffff'.repeat(10));
    expect(block.length).toBe(30);
  });

  test('in memory that it was given stays there', () => {
    const memory = Buffer.alloc(8);
    const block = new TextBlock(memory);
    expect([block.hasRoomForBytes(8), block.hasRoomForBytes(9)]).toEqual([true, false]);
    block.append('12345678');
    expect(memory.toString()).toBe('12345678');
  });
});

test('of a pair, what was taken stays as it is while the other one is filled', () => {
  const pair = new BlockPair(50_000);
  const taken: string[] = [];
  let before: Buffer = Buffer.alloc(0);
  for (let at = 0; at < 5; at++) {
    pair.current.hasRoom(10_000);
    pair.current.append(String(at).repeat(10_000));
    taken.push(before.toString());
    before = pair.take();
  }
  expect(taken).toEqual(['', ...[0, 1, 2, 3].map((at) => String(at).repeat(10_000))]);
});
