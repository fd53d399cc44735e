/**
 * What models are known to refuse, against the simulator's validator, which has its own copy of the facts: whatever is
 * refused here is refused there, and what is refused there for its model is found here but for what only the API can tell.
 */
import { describe, expect, it } from 'vitest';
import { MODEL_FACTS_AS_OF, modelFacts, type ModelRefusal } from '../../../../src/domain/models.ts';
import { createRowReader } from '../../../../src/domain/row/reader.ts';
import { MODELS, lifecycleAt } from '../../../../src/tools/sim/catalogue.ts';
import { judgeParams } from '../../../../src/tools/sim/validate.ts';

const NOW_MS = Date.UTC(2026, 10, 20);
const USER = { role: 'user', content: 'hello' };
const TOOL = { name: 'sort', input_schema: { type: 'object' } };

/** A request that is refused for each reason, and for no other. */
const REQUESTS: Readonly<Record<ModelRefusal, Readonly<Record<string, unknown>>>> = {
  prefill: { messages: [USER, { role: 'assistant', content: 'The answer is' }] },
  thinking_enabled: { thinking: { type: 'enabled', budget_tokens: 1_024 } },
  thinking_adaptive: { thinking: { type: 'adaptive' } },
  thinking_disabled: { thinking: { type: 'disabled' } },
  forced_tools: { tools: [TOOL], tool_choice: { type: 'tool', name: 'sort' } },
  system_turns: { messages: [USER, { role: 'system', content: 'Be brief.' }, { ...USER, content: 'go on' }] },
};

/**
 * The simulator takes Mythos for Fable, its preview for a 4.6, and "newer models" of facts section 8 for those from 5 on.
 * The facts do not say so, and what they do not say is not refused here.
 */
const NOT_SAID: Readonly<Partial<Record<ModelRefusal, RegExp>>> = {
  prefill: /^claude-mythos-preview$/,
  thinking_disabled: /^claude-mythos-5/,
  system_turns: /^claude-mythos-preview$|-4-[5678]/,
};

const SERVED = MODELS.filter((model) => lifecycleAt(model, NOW_MS) !== 'retired').flatMap(({ id, alias }) =>
  alias === undefined ? [id] : [id, alias],
);
const CASES = SERVED.flatMap((model) =>
  (Object.keys(REQUESTS) as ModelRefusal[]).map((refusal): [string, ModelRefusal] => [model, refusal]),
);

function paramsOf(model: string, refusal: ModelRefusal): Readonly<Record<string, unknown>> {
  return { model, max_tokens: 2_000, messages: [USER], ...REQUESTS[refusal] };
}

function problems(params: Readonly<Record<string, unknown>>, modelRules = true): readonly string[] {
  const reader = createRowReader({ nowMs: NOW_MS, modelRules });
  const reading = reader.read({ file: 0, line: 1, value: { params } });
  return reading.ok ? [] : reading.problems.map(({ code, message }) => `${code}: ${message}`);
}

describe('what a model is known to refuse', () => {
  it.each(CASES)('%s and %s: as the simulator has it', (model, refusal) => {
    const params = paramsOf(model, refusal);
    const context = {
      lane: 'batch',
      version: '2026-10-21',
      betas: [],
      nowMs: NOW_MS,
      textBytes: Buffer.byteLength,
    } as const;
    const judged = judgeParams(params, context);
    const found = problems(params);
    if (found.length > 0) expect(judged?.type).toBe('invalid_request_error');
    else if (NOT_SAID[refusal]?.test(model) !== true) expect(judged).toBeUndefined();
  });

  it('is known of models of each generation, so that the table above tests something', () => {
    const refusing = CASES.filter(([model, refusal]) => problems(paramsOf(model, refusal)).length > 0);
    expect(new Set(refusing.map(([, refusal]) => refusal)).size).toBe(6);
    expect(refusing.length).toBeGreaterThan(40);
    expect(refusing.length).toBeLessThan(CASES.length / 2);
  });

  it.each([
    ['claude-opus-4-8', 'prefill', 'the last message must be one of the user'],
    ['claude-opus-4-8', 'thinking_enabled', 'use {"type":"adaptive"}'],
    ['claude-haiku-4-5-20251001', 'thinking_adaptive', '"budget_tokens":N'],
    ['claude-opus-5-5', 'thinking_disabled', 'leave it out'],
    ['claude-sonnet-5-5', 'forced_tools', 'tool_choice of type "tool": use {"type":"auto"}'],
    ['claude-haiku-4-5', 'system_turns', 'messages[1]'],
  ] as const)('%s and %s: says what to write instead, and of when that is', (model, refusal, wanted) => {
    const found = problems(paramsOf(model, refusal));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`model_refuses: "${model}" refuses`);
    expect(found[0]).toContain(wanted);
    expect(found[0]).toContain(`(known as of ${MODEL_FACTS_AS_OF}; if that has changed, send it with --no-preflight)`);
  });

  it.each(CASES)('%s and %s: is sent where the rules are switched off', (model, refusal) => {
    expect(problems(paramsOf(model, refusal), false)).toEqual([]);
  });

  it('says all that is wrong with a row at once', () => {
    const params = {
      ...paramsOf('claude-opus-5-5', 'prefill'),
      ...REQUESTS.forced_tools,
      ...{ thinking: { type: 'disabled' } },
    };
    expect(problems({ ...params, ...{ messages: REQUESTS.prefill['messages'] } })).toHaveLength(3);
  });

  it('goes by the model of each row', () => {
    const reader = createRowReader({ nowMs: NOW_MS });
    const ok = ['claude-opus-4-8', 'claude-opus-4-5', 'claude-opus-4-8', 'claude-of-tomorrow'].map(
      (model) => reader.read({ file: 0, line: 1, value: { params: paramsOf(model, 'prefill') } }).ok,
    );
    expect(ok).toEqual([false, true, false, true]);
  });
});

describe('the sizes of models', () => {
  it.each(MODELS.map((model) => [model.alias ?? model.id, model] as const))(
    '%s: as the simulator has them',
    (id, model) => {
      const facts = modelFacts(id, NOW_MS);
      expect(facts.status === 'retired').toBe(lifecycleAt(model, NOW_MS) === 'retired');
      if (facts.contextTokens !== undefined) expect(facts.contextTokens).toBe(model.contextTokens);
      if (facts.maxTokens !== undefined) expect(facts.maxTokens).toBe(model.outputTokensMax);
      if (facts.maxTokens !== undefined) expect(facts.longMaxTokens !== undefined).toBe(model.longOutput);
    },
  );
});
