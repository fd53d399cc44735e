/**
 * Takes the body of a create apart and checks what the API checks before it answers (facts 1.6).
 *
 * What is wrong with the frame or a custom_id refuses the whole create. What is wrong with the params of a row is
 * only noted with the row and shows as its errored line when the batch has ended.
 */
import { composeAnswer, deviantAnswer, type Answer } from './answer.ts';
import type { SimRow } from './batch.ts';
import { readBatchBody } from './body.ts';
import { findModel } from './catalogue.ts';
import type { Caller, SimContext } from './context.ts';
import { invalidRequest } from './http.ts';
import { isArray, isRecord, type JsonRecord } from './json.ts';
import { paramsHashOf } from './prompt.ts';
import type { InputUse } from './prompt-cache.ts';
import type { Problem } from './judge.ts';
import { judgeParams, unsupportedInBatch } from './validate.ts';

const CUSTOM_ID = /^[a-zA-Z0-9_-]{1,64}$/;
const CUSTOM_ID_CHARS_MAX = 64;
const NO_ANSWER: Answer = { text: '', stopReason: 'end_turn', stopSequence: null, outputTokens: 0 };
const NO_INPUT: InputUse = { plain: 0, write5m: 0, write1h: 0, read: 0 };

/** The rows of a create, checked one by one; `inputOf` counts the input of a row that will run. */
export function takeRows(
  context: SimContext,
  caller: Caller,
  body: Buffer,
  inputOf: (params: JsonRecord) => InputUse,
): SimRow[] {
  const { switches } = context.settings;
  const limits = context.limits.of(caller.organization);
  const { frame, requests } = readBatchBody(body, switches.loneSurrogate);
  checkFrame(frame, requests !== undefined);
  const rows: SimRow[] = [];
  const seen = new Set<string>();
  let count = 0;
  for (const { value, bytes } of requests ?? []) {
    count++;
    // Past the limit only the counting goes on: the message tells how many there were.
    if (count > limits.batchRowsMax) continue;
    const { customId, params } = checkRequest(value, count - 1);
    if (seen.has(customId)) throw invalidRequest(`${switches.duplicateIdMessage}${customId}`);
    seen.add(customId);
    const unsupported = switches.unsupportedParams === 'sync' ? unsupportedInBatch(params) : undefined;
    if (unsupported !== undefined) throw invalidRequest(`requests.${count - 1}.params.${unsupported}`);
    rows.push(makeRow(context, caller, { customId, params, bytes, inputOf }));
  }
  if (count === 0) throw invalidRequest('requests: List should have at least 1 item after validation, not 0');
  if (count > limits.batchRowsMax) {
    throw invalidRequest(
      `requests: List should have at most ${limits.batchRowsMax} items after validation, not ${count}`,
    );
  }
  return rows;
}

function checkFrame(frame: unknown, hasRequests: boolean): void {
  if (!isRecord(frame)) throw invalidRequest('Input should be a valid dictionary or object');
  const extra = Object.keys(frame).find((name) => name !== 'requests');
  if (extra !== undefined) throw invalidRequest(`${extra}: Extra inputs are not permitted`);
  if (frame['requests'] === undefined) throw invalidRequest('requests: Field required');
  if (!hasRequests || !isArray(frame['requests'])) throw invalidRequest('requests: Input should be a valid list');
}

function checkRequest(value: unknown, at: number): { customId: string; params: JsonRecord } {
  const path = `requests.${at}`;
  if (!isRecord(value)) throw invalidRequest(`${path}: Input should be a valid dictionary`);
  const { custom_id: customId, params } = value;
  if (customId === undefined) throw invalidRequest(`${path}.custom_id: Field required`);
  if (typeof customId !== 'string') throw invalidRequest(`${path}.custom_id: Input should be a valid string`);
  if (customId === '') throw invalidRequest(`${path}.custom_id: String should have at least 1 character`);
  if (customId.length > CUSTOM_ID_CHARS_MAX) {
    throw invalidRequest(`${path}.custom_id: String should have at most ${CUSTOM_ID_CHARS_MAX} characters`);
  }
  if (!CUSTOM_ID.test(customId)) {
    throw invalidRequest(`${path}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'`);
  }
  if (params === undefined) throw invalidRequest(`${path}.params: Field required`);
  if (!isRecord(params)) throw invalidRequest(`${path}.params: Input should be a valid dictionary`);
  const extra = Object.keys(value).find((name) => name !== 'custom_id' && name !== 'params');
  if (extra !== undefined) throw invalidRequest(`${path}.${extra}: Extra inputs are not permitted`);
  return { customId, params };
}

interface RowMaking {
  readonly customId: string;
  readonly params: JsonRecord;
  readonly bytes: number;
  readonly inputOf: (params: JsonRecord) => InputUse;
}

function makeRow(context: SimContext, caller: Caller, making: RowMaking): SimRow {
  const { customId, params, bytes, inputOf } = making;
  const { version, betas } = caller;
  const { textBytes } = context.settings;
  const bytesMax = context.settings.switches.rowBytesMax ?? Infinity;
  const tooLarge: Problem = { status: 413, type: 'request_too_large', message: 'Request exceeds the maximum size' };
  const problem =
    bytes > bytesMax
      ? tooLarge
      : judgeParams(params, { lane: 'batch', version, betas, nowMs: context.clock.now(), textBytes });
  const name = typeof params['model'] === 'string' ? params['model'] : '';
  const model = findModel(name)?.id ?? name;
  const paramsHash = paramsHashOf(params);
  // Written out: an object that begins with a spread takes three times the memory, and a batch keeps 100,000 of them.
  if (problem !== undefined) return { customId, model, paramsHash, input: NO_INPUT, answer: NO_ANSWER, problem };
  const isSteady = context.current.rates.schemaErrorRate <= 0;
  const deviant = isSteady ? undefined : deviantAnswer(params, context.draws('deviant', customId));
  const answer = composeAnswer(params, context.settings.answer);
  return { customId, model, paramsHash, input: inputOf(params), answer, deviant };
}
