/** What the API says of a request is shown without the words of the request. */
import { describe, expect, it } from 'vitest';
import { integerBetween, seededRng } from '../../../src/base/random.ts';
import { saidOf } from '../../../src/domain/said.ts';

const PARAMS = {
  model: 'claude-haiku-5-5',
  max_tokens: 100_000,
  system: 'You are a patient teacher of mathematics.',
  messages: [{ role: 'user', content: [{ type: 'text', text: 'What is\n"seven" times eight, please?' }] }],
};

describe('saidOf', () => {
  it.each([
    [
      'max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-haiku-5-5',
      'max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-haiku-5-5',
    ],
    ['messages.0: bad text: You are a patient teacher of mathematics.', 'messages.0: bad text: …'],
    ['no: "a patient teacher" here', 'no: "…" here'],
    ['it says What is "seven" times eight, please?', 'it says …'],
    ['it says What is\\n\\"seven\\" times eight, please?', 'it says …'],
    ['a few characters stay: patient', 'a few characters stay: patient'],
    ['key sk-ant-api03-abcdefghijkl is off', 'key sk-ant-[redacted] is off'],
    ['', ''],
  ])('%j', (message, wanted) => {
    expect(saidOf(message, PARAMS)).toBe(wanted);
  });

  it('is cut where it is long', () => {
    expect(saidOf('no '.repeat(500), PARAMS)).toMatch(/^(no ?){80}…$/);
  });

  it('holds no nine characters of any text of the request, wherever the API puts them', () => {
    const rng = seededRng('said');
    const draw = (length: number): string =>
      Array.from({ length }, () => 'abcdefghij '[integerBetween(rng, 0, 10)]).join('');
    for (let round = 0; round < 500; round++) {
      const text = draw(9 + integerBetween(rng, 0, 60))
        .replace(/\s+/g, ' ')
        .trim()
        .padEnd(9, 'x');
      const quoted = text.slice(integerBetween(rng, 0, text.length - 9));
      const said = saidOf(`${draw(20).toUpperCase()}${quoted}!`, { messages: [{ content: text }] });
      for (let from = 0; from + 9 <= text.length; from++) {
        expect(said, text).not.toContain(text.slice(from, from + 9));
      }
    }
  });
});
