/**
 * What a model is known to refuse (`ModelFacts.refuses`), looked for in a row: in a batch it would come back as an error
 * of the row, up to a day later.
 *
 * The facts are dated and may be outdated where the API is not: each message says so, and `--no-preflight` leaves these
 * rules out. They are made once for a model; an ordinary row costs a look at its last message.
 */
import { MODEL_FACTS_AS_OF, type ModelFacts, type ModelRefusal } from '../models.ts';
import type { Findings } from './findings.ts';
import { isObject, shown, type JsonObject } from './shape.ts';

/** One look at the params of a row. */
export type ModelRule = (params: JsonObject, findings: Findings) => void;

/** How every message of these rules ends: what one can do where they are wrong. */
export const RULES_DATED = `(known as of ${MODEL_FACTS_AS_OF}; if that has changed, send it with --no-preflight)`;

/** The rules of a model that has these facts; null where it is not known to refuse anything. */
export function modelRule(id: string, { refuses }: ModelFacts): ModelRule | null {
  if (refuses === undefined || refuses.length === 0) return null;
  const name = shown(id);
  const checks = refuses.map((refusal) => CHECKS[refusal]);
  return (params, findings) => {
    for (const check of checks) {
      const found = check(params);
      if (found !== null) findings.problem('model_refuses', `${name} refuses ${found} ${RULES_DATED}`);
    }
  };
}

/** What of the params the model refuses, and what to write instead; null where there is nothing. */
type Check = (params: JsonObject) => string | null;

const CHECKS: Readonly<Record<ModelRefusal, Check>> = {
  prefill: ({ messages }) => {
    const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined;
    if (!isObject(last) || last['role'] !== 'assistant') return null;
    return 'to go on with an answer that was begun (prefill): the last message must be one of the user';
  },
  thinking_enabled: (params) =>
    thinks(params, 'enabled')
      ? 'thinking of type "enabled": use {"type":"adaptive"}, and output_config.effort for how much'
      : null,
  thinking_adaptive: (params) =>
    thinks(params, 'adaptive')
      ? 'thinking of type "adaptive": use {"type":"enabled","budget_tokens":N}, or a model from 4.6 on'
      : null,
  thinking_disabled: (params) =>
    thinks(params, 'disabled') ? 'thinking of type "disabled": leave it out, and set output_config.effort low' : null,
  forced_tools: (params) => {
    const choice = Object.hasOwn(params, 'tool_choice') ? params['tool_choice'] : undefined;
    if (!isObject(choice) || (choice['type'] !== 'any' && choice['type'] !== 'tool')) return null;
    return `tool_choice of type "${choice['type']}": use {"type":"auto"} and ask for the tool in the prompt`;
  },
  system_turns: ({ messages }) => {
    if (!Array.isArray(messages) || messages.length < 2) return null;
    const at = messages.findIndex((message) => isObject(message) && message['role'] === 'system');
    return at < 0 ? null : `a system message (messages[${at}]): use the top-level system parameter`;
  },
};

function thinks(params: JsonObject, type: string): boolean {
  if (!Object.hasOwn(params, 'thinking')) return false;
  const { thinking } = params;
  return isObject(thinking) && thinking['type'] === type;
}
