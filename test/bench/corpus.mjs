/**
 * The input of the benchmarks: rows in the API's own shape, about 966 bytes each, the same for every run (a small
 * generator of its own, so that no two rows are alike and nobody can cheat by repeating one).
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';

const WORDS =
  'card transfer refund balance pin fee limit statement cash exchange top-up ATM abroad pending twice'.split(' ');
const TEXT_CHARS = 806;
const PENDING_CHARS = 1 << 20;

/** The text of a row: words in an order that its number decides. */
export function textOf(seq) {
  let state = (seq * 2_654_435_761 + 1) >>> 0;
  let text = `Message ${seq}:`;
  while (text.length < TEXT_CHARS) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += ` ${WORDS[state % WORDS.length]}${(state >>> 8) % 97}`;
  }
  return text;
}

const paramsOf = (seq) => ({
  model: 'claude-haiku-5-5',
  max_tokens: 64,
  messages: [{ role: 'user', content: textOf(seq) }],
});

/** By format: how a row is written, and what stands before the first and after the last. */
const FORMATS = {
  jsonl: { line: (seq) => `${JSON.stringify({ custom_id: `row-${seq}`, params: paramsOf(seq) })}\n` },
  json: {
    head: '[\n',
    line: (seq) => `${seq === 0 ? '' : ',\n'}${JSON.stringify({ custom_id: `row-${seq}`, params: paramsOf(seq) })}`,
    tail: '\n]\n',
  },
  csv: { head: 'custom_id,topic,text\n', line: (seq) => `row-${seq},${WORDS[seq % WORDS.length]},"${textOf(seq)}"\n` },
};

/** Writes so many rows to a file. */
export async function writeCorpus(path, rows, format = 'jsonl') {
  const { head = '', line, tail = '' } = FORMATS[format];
  const out = createWriteStream(path, { highWaterMark: PENDING_CHARS });
  let pending = head;
  for (let seq = 0; seq < rows; seq++) {
    pending += line(seq);
    if (pending.length < PENDING_CHARS) continue;
    if (!out.write(pending)) await once(out, 'drain');
    pending = '';
  }
  out.end(pending + tail);
  await once(out, 'close');
}
