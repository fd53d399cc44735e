/**
 * Output records for the benchmark of the formats: what the walk over a run hands to a format, with result lines as
 * sink.mjs writes them and two columns of the input. Every record has a text of its own; every twentieth answer has
 * quotes, line breaks and letters beyond ASCII in it, and every hundredth row is a failure.
 */
import { textOf } from './corpus.mjs';

export const COLUMNS = ['topic', 'score'];
const ANSWER = 'The customer asks about a transfer that has not arrived yet. '.repeat(3).trim();
const ODD_ANSWER = ANSWER.replaceAll('arrived', '"arrived",\nà la carte – 12 €, or so');
const MODEL = 'claude-haiku-5-5';

export function poolOf(rows) {
  return Array.from({ length: rows }, (_, seq) => recordOf(seq));
}

function recordOf(seq) {
  const failed = seq % 100 === 99;
  const wireId = `0a1b2c3d4e-1-${seq}`;
  const result = failed ? erroredOf(seq) : { type: 'succeeded', message: messageOf(seq) };
  return {
    seq,
    customId: `row-${seq}`,
    columns: { topic: textOf(seq).split(' ')[2], score: seq % 7 },
    state: failed ? 'failed' : 'succeeded',
    lane: 'batch',
    resultLine: Buffer.from(`${JSON.stringify({ custom_id: wireId, result })}\n`),
    wireId,
    errorType: null,
    errorMessage: null,
    attempts: 1,
  };
}

function messageOf(seq) {
  return {
    ...{ id: 'msg_01BenchBenchBenchBenchBe', type: 'message', role: 'assistant', model: MODEL },
    content: [{ type: 'text', text: `${seq}: ${seq % 20 === 0 ? ODD_ANSWER : ANSWER}` }],
    ...{ stop_reason: 'end_turn', stop_sequence: null },
    usage: {
      ...{ input_tokens: 231 + (seq % 50), output_tokens: 42 + (seq % 9) },
      ...{ cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
      ...{ cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 }, service_tier: 'batch' },
    },
  };
}

function erroredOf(seq) {
  const error = { type: 'invalid_request_error', message: `max_tokens: ${seq} is too many, "far" too many` };
  return { type: 'errored', error: { type: 'error', error, request_id: 'req_bench' } };
}

/** The cells that `--format csv` gives for a record, made the short way for the library alone: the line is parsed here. */
export function rowOf(record) {
  const { custom_id: wireId, result } = JSON.parse(record.resultLine.toString('utf8'));
  if (wireId !== record.wireId) throw new Error(`the line of ${record.wireId} is that of ${wireId}`);
  const { message, error } = result;
  const usage = message?.usage;
  return [
    ...[record.customId, record.state, message ? textIn(message) : null, null],
    ...[message?.stop_reason ?? null, message?.model ?? null, error?.error.type ?? null, error?.error.message ?? null],
    ...[usage?.input_tokens ?? null, usage?.output_tokens ?? null],
    ...[usage?.cache_creation_input_tokens ?? null, usage?.cache_read_input_tokens ?? null],
    ...[usage ? costOf(usage) : 0, record.lane, record.attempts],
    ...COLUMNS.map((column) => record.columns[column]),
  ];
}

function textIn(message) {
  let text = '';
  for (const block of message.content) if (block.type === 'text') text += block.text;
  return text;
}

/** As the program reckons it, for this model, lane and kind of tokens. */
function costOf({ input_tokens: input, output_tokens: output }) {
  return Number(((input * 0.05 + output * 0.25) / 1e6).toPrecision(12));
}
