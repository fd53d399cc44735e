/**
 * `batchrun demo`, as the README promises it: every real customer message gets one line, in input order, with the
 * answer to its own text.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { expect, test } from 'vitest';
import { answerFor } from '../../src/tools/sim/answer.ts';
import { BANKING77, bench } from '../support/cli.ts';

test('the demo answers 10,003 messages, each line in its place and to its own text', async () => {
  const b = await bench();
  const ended = await b.call(['demo'], {});
  expect(ended.stderr).toContain('10,003 lines in input order');
  expect(ended.code).toBe(0);
  const texts = parse<{ text: string }>(readFileSync(join(dirname(BANKING77), 'train.csv')), { columns: true });
  const lines = b.read('.demo/train.results.jsonl').trimEnd().split('\n');
  expect(lines).toHaveLength(10_003);
  for (const [at, line] of lines.entries()) {
    const prompt = `Which of the 77 intents of a bank has this customer? ${texts[at]?.text ?? ''}`;
    const params = {
      model: 'claude-haiku-5-5',
      max_tokens: 256,
      messages: [{ role: 'user', content: prompt }],
    };
    const { result } = JSON.parse(line) as { result: { message?: { content: { text: string }[] } } };
    expect(result.message?.content[0]?.text).toBe(answerFor(params));
  }
  expect(ended.stdout.trimEnd().split('\n')).toEqual([lines[0], lines[5_001], lines.at(-1)]);
});
