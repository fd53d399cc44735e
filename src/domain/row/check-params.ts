/**
 * Checks the final params of a row: what the API, this version of it, or a batch is known to refuse.
 *
 * It errs on the side of sending: a name or a model that is not known here gets a notice at most, because the API
 * gets new ones. What it does refuse would come back hours later as an error of the row.
 */
import { formatCount } from '../../base/units.ts';
import { LONG_OUTPUT_BETA } from '../limits.ts';
import { modelFacts } from '../models.ts';
import type { ModelFacts } from '../models.ts';
import type { RowNotice } from '../source.ts';
import { checkMessages, checkSystem } from './check-messages.ts';
import { closest } from './closest.ts';
import type { Findings } from './findings.ts';
import { modelRule, RULES_DATED, type ModelRule } from './model-rules.ts';
import { BETA_PARAM_NAMES, FOREIGN_PARAMS, PARAM_NAMES } from './param-names.ts';
import { isObject, kindOf, shown } from './shape.ts';
import type { JsonObject } from './shape.ts';

/** A thinking budget below this is refused (facts/api.md section 2). */
const THINKING_TOKENS_MIN = 1_024;
/** Unknown names whose notice is kept for the next row. */
const UNKNOWN_NOTICES_MAX = 100;

/** Checks rows one after the other; what it found out about a model or a name is not worked out again. */
export class ParamChecker {
  readonly #nowMs: number;
  readonly #modelRules: boolean;
  /** The model of the row before: nearly always the same one. */
  #lastModel: KnownModel | undefined;
  readonly #unknownNotices = new Map<string, RowNotice>();

  /** Without `modelRules` what is known of models refuses nothing: facts get outdated. */
  constructor(nowMs: number, modelRules = true) {
    this.#nowMs = nowMs;
    this.#modelRules = modelRules;
  }

  check(params: JsonObject, betas: readonly string[], findings: Findings): void {
    this.#checkNames(params, findings);
    const model = own(params, 'model');
    const known = this.#checkModel(model, findings);
    checkMaxTokens(own(params, 'max_tokens'), { model, facts: known?.facts, betas }, findings);
    checkMessages(own(params, 'messages'), findings);
    for (const [name, check] of OPTIONAL) {
      if (Object.hasOwn(params, name)) check(params[name], findings, { params, betas });
    }
    known?.rule?.(params, findings);
  }

  #checkNames(params: JsonObject, findings: Findings): void {
    for (const name in params) {
      if (PARAM_NAMES.has(name) || BETA_PARAM_NAMES.has(name)) continue;
      const instead = FOREIGN_PARAMS.get(name);
      if (instead === undefined) findings.notice(this.#unknownParam(name));
      else findings.problem('foreign_param', `${shown(name)} is not a parameter of Claude: ${instead}`);
    }
  }

  #unknownParam(name: string): RowNotice {
    const known = this.#unknownNotices.get(name);
    if (known) return known;
    const nearest = closest(name, [...PARAM_NAMES, ...BETA_PARAM_NAMES]);
    const meant = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    const notice: RowNotice = {
      code: 'unknown_param',
      message: `params has ${shown(name)}, which this batchrun does not know: it is sent as it is, and the API may refuse the row for it${meant}`,
    };
    // Names can come from the data: past the bound they are worked out each time instead of being kept.
    if (this.#unknownNotices.size < UNKNOWN_NOTICES_MAX) this.#unknownNotices.set(name, notice);
    return notice;
  }

  #checkModel(model: unknown, findings: Findings): KnownModel | undefined {
    if (model === undefined) {
      findings.problem('no_model', 'model is missing: give --model, or put it in the row');
      return undefined;
    }
    if (typeof model !== 'string' || model === '') {
      const is = model === '' ? 'empty' : kindOf(model);
      findings.problem('bad_param', `model must be the name of a model, and is ${is}`);
      return undefined;
    }
    const known =
      this.#lastModel?.id === model
        ? this.#lastModel
        : (this.#modelRules ? knownModel : trustedModel)(model, this.#nowMs);
    this.#lastModel = known;
    if (known.problem !== undefined) findings.problem('model_retired', known.problem);
    if (known.notice !== undefined) findings.notice(known.notice);
    return known;
  }
}

function own(params: JsonObject, name: string): unknown {
  return Object.hasOwn(params, name) ? params[name] : undefined;
}

interface KnownModel {
  readonly id: string;
  /** Undefined where they shall refuse nothing. */
  readonly facts: ModelFacts | undefined;
  readonly problem: string | undefined;
  readonly notice: RowNotice | undefined;
  readonly rule: ModelRule | null;
}

function knownModel(id: string, nowMs: number): KnownModel {
  const facts = modelFacts(id, nowMs);
  const problem = facts.status === 'retired' ? `${goneText(id, facts)} ${RULES_DATED}` : undefined;
  return { id, facts, problem, notice: endingNotice(id, facts), rule: modelRule(id, facts) };
}

/** With --no-preflight: the API has the last word, and what is known is only said. */
function trustedModel(id: string, nowMs: number): KnownModel {
  const facts = modelFacts(id, nowMs);
  const gone = facts.status === 'retired' ? { code: 'model_retired', message: goneText(id, facts) } : undefined;
  return { id, facts: undefined, problem: undefined, notice: gone ?? endingNotice(id, facts), rule: null };
}

function goneText(id: string, facts: ModelFacts): string {
  return `the model ${shown(id)} is no longer served (it ended ${facts.retires ?? 'before'})${nextText(facts)}`;
}

function endingNotice(id: string, facts: ModelFacts): RowNotice | undefined {
  if (facts.status !== 'ending') return undefined;
  const when = `the model ${shown(id)} ends on ${facts.retires ?? 'a day soon'}`;
  return {
    code: 'model_ending',
    message: `${when}: what is sent or tried again after that fails${nextText(facts)}`,
  };
}

function nextText({ successor }: ModelFacts): string {
  return successor === undefined ? '' : `; use ${successor}, or another model that is still served`;
}

interface OutputContext {
  readonly model: unknown;
  readonly facts: ModelFacts | undefined;
  readonly betas: readonly string[];
}

function checkMaxTokens(maxTokens: unknown, context: OutputContext, findings: Findings): void {
  if (maxTokens === undefined) {
    findings.problem('missing_param', 'max_tokens is missing: give --max-tokens N, or put it in the row');
  } else if (maxTokens === 0) {
    findings.problem('unsupported_param', 'max_tokens is 0 (it fills the cache only), which is refused in a batch');
  } else if (typeof maxTokens !== 'number' || !Number.isSafeInteger(maxTokens) || maxTokens < 1) {
    const is = typeof maxTokens === 'number' ? String(maxTokens) : kindOf(maxTokens);
    findings.problem('bad_param', `max_tokens must be a whole number from 1, and is ${is}`);
  } else {
    const { facts, betas } = context;
    const long = facts?.longMaxTokens;
    const most = long !== undefined && betas.includes(LONG_OUTPUT_BETA) ? long : facts?.maxTokens;
    if (most === undefined || maxTokens <= most) return;
    const hint =
      long !== undefined && most < long ? `; up to ${formatCount(long)} with --betas ${LONG_OUTPUT_BETA}` : '';
    findings.problem(
      'max_tokens',
      `max_tokens is ${formatCount(maxTokens)}, and ${shown(context.model)} writes ${formatCount(most)} at most${hint} ${RULES_DATED}`,
    );
  }
}

type Check = (value: unknown, findings: Findings, of: { params: JsonObject; betas: readonly string[] }) => void;

const OPTIONAL: readonly (readonly [string, Check])[] = Object.entries<Check>({
  system: checkSystem,
  workspace_id: (_value, findings) => {
    findings.problem(
      'unsupported_param',
      'workspace_id cannot be a parameter of a row: the API key decides on the workspace',
    );
  },
  cache_control: (value, findings) => {
    if (value === null || isObject(value)) return;
    const is = `top-level cache_control must be an object, and is ${kindOf(value)}`;
    findings.problem('bad_param', `${is}: write "cache_control": {"type":"ephemeral"}`);
  },
  thinking: checkThinking,
  stop_sequences: (value, findings) => {
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return;
    findings.problem('bad_param', 'stop_sequences must be a list of strings');
  },
  tools: (value, findings) => {
    if (!Array.isArray(value)) findings.problem('bad_param', `tools must be a list, and is ${kindOf(value)}`);
    else if (!value.every(isObject)) findings.problem('bad_param', 'tools must be a list of objects');
    else if (value.some((tool) => tool['type'] === 'function')) {
      findings.problem('bad_param', 'tools are written as for OpenAI: use {"name","description","input_schema"}');
    }
  },
  tool_choice: object('tool_choice'),
  output_config: object('output_config'),
  metadata: object('metadata'),
});

function object(name: string): Check {
  return (value, findings) => {
    if (!isObject(value)) findings.problem('bad_param', `${name} must be an object, and is ${kindOf(value)}`);
  };
}

function checkThinking(value: unknown, findings: Findings, of: { params: JsonObject; betas: readonly string[] }): void {
  if (!isObject(value) || typeof value['type'] !== 'string') {
    findings.problem('bad_param', 'thinking must be an object with a type');
    return;
  }
  if (value['type'] !== 'enabled') return;
  const budget = value['budget_tokens'];
  const maxTokens = of.params['max_tokens'];
  if (typeof budget !== 'number' || !Number.isSafeInteger(budget) || budget < THINKING_TOKENS_MIN) {
    findings.problem(
      'bad_param',
      `thinking.budget_tokens must be a whole number from ${formatCount(THINKING_TOKENS_MIN)}`,
    );
  } else if (typeof maxTokens === 'number' && budget >= maxTokens && !of.betas.some(isInterleaved)) {
    // With interleaved thinking the budget spans several turns and may be larger than one answer.
    findings.problem('bad_param', `thinking.budget_tokens (${budget}) must be less than max_tokens (${maxTokens})`);
  }
}

function isInterleaved(beta: string): boolean {
  return beta.startsWith('interleaved-thinking');
}
