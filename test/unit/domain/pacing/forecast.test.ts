/** What a call is expected to take: by its size at first, then by the answers of its own run and model. */
import { expect, test } from 'vitest';
import { integerBetween, seededRng } from '../../../../src/base/random.ts';
import { NO_USAGE } from '../../../../src/domain/model.ts';
import { countedInput, Forecast, type CallSize } from '../../../../src/domain/pacing/forecast.ts';
import { tokensFromBytes } from '../../../../src/domain/estimate/tokenizer.ts';

const CALL: CallSize = { runId: 'run-1', model: 'claude-haiku-5-5', requestBytes: 4_000, maxTokens: 1_000 };

function usage(inputTokens: number, outputTokens: number) {
  return { ...NO_USAGE, inputTokens, outputTokens };
}

test('before the first answer: the size of the request, and a paragraph or max_tokens', () => {
  const forecast = new Forecast();
  const inputTokens = tokensFromBytes(CALL.model, CALL.requestBytes);
  expect(forecast.expect(CALL)).toEqual({ inputTokens, outputTokens: 256 });
  expect(forecast.expect({ ...CALL, maxTokens: 10 })).toEqual({ inputTokens, outputTokens: 10 });
});

test('the first answer replaces the guess, by the byte and by the answer', () => {
  const forecast = new Forecast();
  forecast.learn(CALL, usage(2_000, 30));
  expect(forecast.expect({ ...CALL, requestBytes: 8_000 })).toEqual({ inputTokens: 4_000, outputTokens: 30 });
});

test('no answer is expected to be longer than max_tokens', () => {
  const forecast = new Forecast();
  forecast.learn(CALL, usage(1, 900));
  expect(forecast.expect({ ...CALL, maxTokens: 40 }).outputTokens).toBe(40);
});

test('runs and models learn by themselves', () => {
  const forecast = new Forecast();
  forecast.learn(CALL, usage(1, 3));
  for (const other of [
    { ...CALL, runId: 'run-2' },
    { ...CALL, model: 'claude-opus-5-5' },
  ]) {
    expect(forecast.expect(other).outputTokens).toBe(256);
  }
});

test('it is the mean of few answers, and follows a change among many', () => {
  const forecast = new Forecast();
  for (const output of [10, 20, 60]) forecast.learn(CALL, usage(100, output));
  // Tokens are whole: what is learnt is rounded up.
  expect(forecast.expect(CALL).outputTokens - 30).toBeLessThanOrEqual(1);
  expect(forecast.expect(CALL).outputTokens).toBeGreaterThanOrEqual(30);
  for (let answer = 0; answer < 10_000; answer++) forecast.learn(CALL, usage(100, 50));
  for (let answer = 0; answer < 200; answer++) forecast.learn(CALL, usage(100, 500));
  expect(forecast.expect(CALL).outputTokens).toBeGreaterThan(480);
});

test('of any answers it lies between the least and the most', () => {
  for (let seed = 0; seed < 100; seed++) {
    const rng = seededRng(`forecast ${seed}`);
    const forecast = new Forecast();
    const outputs = Array.from({ length: integerBetween(rng, 1, 200) }, () => integerBetween(rng, 0, 10_000));
    for (const output of outputs) forecast.learn(CALL, usage(100, output));
    const learnt = forecast.expect({ ...CALL, maxTokens: 100_000 }).outputTokens;
    expect(learnt).toBeGreaterThanOrEqual(Math.min(...outputs));
    expect(learnt).toBeLessThanOrEqual(Math.max(...outputs) + 1);
  }
});

test('what was read from a cache does not count against the input limit, what was written does', () => {
  const all = {
    inputTokens: 1,
    outputTokens: 2,
    cacheWrite5mTokens: 10,
    cacheWrite1hTokens: 100,
    cacheReadTokens: 1_000,
  };
  expect(countedInput(all)).toBe(111);
});
