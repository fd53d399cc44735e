/**
 * POST /v1/messages (plain and streamed) and /v1/messages/count_tokens.
 *
 * A message counts as executed, and paid, before its answer leaves: what a fault or a client that gives up loses
 * afterwards is lost money, and the ledger says so.
 */
import { composeAnswer, deviantAnswer, refusalAnswer, type Answer } from './answer.ts';
import { findModel, type SimModel } from './catalogue.ts';
import { checkAccount, retryAfter, type Caller, type SimContext } from './context.ts';
import { drawFrom, makeId } from './draw.ts';
import { jsonResponse, noAnswer, Refusal, refusalOf, type SimResponse } from './http.ts';
import { isRecord, type JsonRecord } from './json.ts';
import { realtimeMessage } from './message-shape.ts';
import { messageEvents, pacedEvents } from './message-stream.ts';
import { parseBody } from './body.ts';
import { paramsHashOf, promptTokens } from './prompt.ts';
import type { JudgeContext } from './judge.ts';
import { judgeParams } from './validate.ts';

const RETRY_AFTER_SECONDS = 1;

export async function createMessage(context: SimContext, caller: Caller, body: Buffer): Promise<SimResponse> {
  checkAccount(context, caller);
  const { params, model } = readParams(context, caller, body, 'message');
  const paramsHash = paramsHashOf(params);
  const early = failBefore(context, caller, paramsHash);
  if (early !== undefined) return early;
  const nowMs = context.clock.now();
  const { input, keep } = context.cache.look(`${caller.organization}|${caller.workspace}`, params, nowMs);
  const paid = input.plain + input.write5m + input.write1h;
  const rateHeaders = context.limiter.takeMessage(caller, model, paid, nowMs);
  keep?.(nowMs);
  const nth = context.nextOrdinal(`message|${paramsHash}`);
  const answer = answerTo(context, params, `${paramsHash}|${nth}`);
  context.limiter.spendOutput(caller, model, answer.outputTokens, nowMs);
  const fault = context.faults.firstOf(['message.reset', 'message.hang', 'message.garbage_answer'], caller.path);
  const id = makeId('msg', context.settings.seed, `${paramsHash}|${nth}`);
  const { organization, workspace } = caller;
  const { outputTokens } = answer;
  context.ledger.noteMessage({
    ...{ id, organization, workspace, model: model.id, paramsHash, atMs: nowMs, input, outputTokens },
    wasAnswered: fault === undefined,
    deviates: answer.deviates === true,
  });
  const tookMs = latencyMs(context, `${paramsHash}|${nth}`, outputTokens);
  // A fault takes the whole time: nothing of the answer is there before it.
  const share = params['stream'] === true && fault === undefined ? context.settings.firstTokenShare : null;
  await context.clock.sleep(share === null ? tookMs : tookMs * share, caller.signal);
  if (fault === 'message.reset') return noAnswer('reset');
  if (fault === 'message.hang') return noAnswer('hang');
  if (fault === 'message.garbage_answer') return { ...jsonResponse(null), body: ['{"id":"msg_'] };
  const message = realtimeMessage(id, model.id, answer, input);
  if (params['stream'] !== true) return jsonResponse(message, rateHeaders);
  const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', ...rateHeaders };
  const answered: SimResponse = { status: 200, headers, body: messageEvents(message, answer, input) };
  if (share === null) return answered;
  const spread = { clock: context.clock, forMs: tookMs * (1 - share), signal: caller.signal };
  return { ...answered, paced: () => pacedEvents(messageEvents(message, answer, input), spread) };
}

export function countTokens(context: SimContext, caller: Caller, body: Buffer): SimResponse {
  const headers = context.limiter.takeCountCall(caller, context.clock.now());
  const { params } = readParams(context, caller, body, 'count');
  return jsonResponse({ input_tokens: promptTokens(params, context.settings.textBytes) }, headers);
}

function readParams(
  context: SimContext,
  caller: Caller,
  body: Buffer,
  lane: JudgeContext['lane'],
): { params: JsonRecord; model: SimModel } {
  const params = parseBody(body, context.settings.switches.loneSurrogate);
  const { version, betas } = caller;
  const problem = judgeParams(params, {
    lane,
    version,
    betas,
    nowMs: context.clock.now(),
    textBytes: context.settings.textBytes,
  });
  if (problem !== undefined) throw new Refusal(problem.status, problem.type, problem.message);
  const model = isRecord(params) ? findModel(String(params['model'])) : undefined;
  if (model === undefined || !isRecord(params)) throw refusalOf(500, 'the judge let through what it must refuse');
  return { params, model };
}

function failBefore(context: SimContext, caller: Caller, paramsHash: string): SimResponse | undefined {
  const fault = context.faults.firstOf(
    ['message.reset_before', 'message.429', 'message.500', 'message.529'],
    caller.path,
  );
  if (fault === 'message.reset_before') return noAnswer('reset');
  if (fault === 'message.429') throw refusalOf(429, undefined, { headers: retryAfter(context, RETRY_AFTER_SECONDS) });
  if (fault === 'message.500') throw refusalOf(500);
  if (fault === 'message.529') throw refusalOf(529);
  const rates = Object.entries(context.current.rates.messageErrorRates);
  if (rates.length === 0) return undefined;
  let left = context.draws('message_error', `${paramsHash}|${context.nextOrdinal(`try|${paramsHash}`)}`).next();
  for (const [status, rate] of rates) {
    left -= rate;
    if (left >= 0) continue;
    const headers = Number(status) === 429 ? retryAfter(context, RETRY_AFTER_SECONDS) : {};
    throw refusalOf(Number(status), undefined, { headers });
  }
  return undefined;
}

function answerTo(context: SimContext, params: JsonRecord, key: string): Answer {
  const isRefused = context.draws('refusal', key).next() < context.current.rates.refusalRate;
  if (isRefused) return refusalAnswer();
  const { schemaErrorRate } = context.current.rates;
  const isDeviant = schemaErrorRate > 0 && context.draws('schema', key).next() < schemaErrorRate;
  const deviant = isDeviant ? deviantAnswer(params, context.draws('deviant', key)) : undefined;
  return deviant ?? composeAnswer(params, context.settings.answer);
}

function latencyMs(context: SimContext, key: string, outputTokens: number): number {
  return drawFrom(context.draws('latency', key), context.settings.messageLatencyMs, outputTokens);
}
