/**
 * What the simulated model says: derived from the prompt, so that a test can prove to which row an answer belongs.
 *
 * The answer is eight hex digits of the hash over the last user text and the system text, and then the first 200
 * characters of the last user text. Where the request asks for JSON by a schema, it is the smallest value that the
 * schema allows. It is cut by stop_sequences and max_tokens as the API cuts it.
 */
import type { Rng } from '../../base/random.ts';
import { sha256Hex } from './draw.ts';
import { detached, firstBytes, isArray, type JsonRecord } from './json.ts';
import { BYTES_PER_TOKEN, lastUserText, systemText, tokensOfBytes } from './prompt.ts';
import { deviantText, schemaOf, schemaValue } from './schema-value.ts';

export interface Answer {
  readonly text: string;
  readonly stopReason: 'end_turn' | 'max_tokens' | 'stop_sequence' | 'refusal';
  readonly stopSequence: string | null;
  readonly outputTokens: number;
  /** It does not follow the schema that was asked for, on purpose. */
  readonly deviates?: boolean;
}

/** A text is cut and counted as the API does it; an answer is taken as it is. */
export type Answerer = 'echo' | ((params: JsonRecord) => string | Answer);

const ECHO_CHARS = 200;

/** The text that the simulator answers to these params: compute it in a test and compare. */
export function answerFor(params: JsonRecord): string {
  return composeAnswer(params, 'echo').text;
}

export function composeAnswer(params: JsonRecord, answerer: Answerer): Answer {
  const made = answerer === 'echo' ? echo(params) : answerer(params);
  return typeof made === 'string' ? cutAnswer(params, made) : made;
}

/** One that does not follow the schema that the request asks for; undefined where it asks for none. */
export function deviantAnswer(params: JsonRecord, rng: Rng): Answer | undefined {
  const schema = schemaOf(params);
  if (schema === undefined) return undefined;
  return { ...cutAnswer(params, deviantText(schema, hashOf(params), rng)), deviates: true };
}

function cutAnswer(params: JsonRecord, whole: string): Answer {
  let text = whole;
  const stopSequence = firstStop(text, params['stop_sequences']);
  if (stopSequence !== null) text = text.slice(0, text.indexOf(stopSequence));
  const maxTokens = typeof params['max_tokens'] === 'number' ? params['max_tokens'] : Number.MAX_SAFE_INTEGER;
  const bytesMax = maxTokens * BYTES_PER_TOKEN;
  const isCut = Buffer.byteLength(text) > bytesMax;
  if (isCut) text = firstBytes(text, bytesMax);
  const outputTokens = tokensOfBytes(Buffer.byteLength(text));
  if (isCut) return { text: detached(text), stopReason: 'max_tokens', stopSequence: null, outputTokens };
  const stopReason = stopSequence === null ? 'end_turn' : 'stop_sequence';
  return { text: detached(text), stopReason, stopSequence, outputTokens };
}

export function refusalAnswer(): Answer {
  return { text: '', stopReason: 'refusal', stopSequence: null, outputTokens: 1 };
}

function echo(params: JsonRecord): string {
  const hash = hashOf(params);
  const schema = schemaOf(params);
  if (schema !== undefined) return JSON.stringify(schemaValue(schema, hash));
  return `${hash.slice(0, 8)} ${firstChars(lastUserText(params), ECHO_CHARS)}`;
}

function hashOf(params: JsonRecord): string {
  return sha256Hex(`${lastUserText(params)}${systemText(params)}`);
}

/** Does not cut a surrogate pair. */
function firstChars(text: string, count: number): string {
  const cut = text.slice(0, count);
  return /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut;
}

function firstStop(text: string, sequences: unknown): string | null {
  if (!isArray(sequences)) return null;
  let first: string | null = null;
  for (const sequence of sequences) {
    if (typeof sequence !== 'string' || sequence === '' || !text.includes(sequence)) continue;
    if (first === null || text.indexOf(sequence) < text.indexOf(first)) first = sequence;
  }
  return first;
}
