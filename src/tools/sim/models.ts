/**
 * GET /v1/models and /v1/models/{id}: the catalogue in the shape of the SDK's ModelInfo.
 *
 * The list holds what can be used; retired models stay on record and show when they are asked for.
 */
import { findModel, lifecycleAt, MODELS, type SimModel } from './catalogue.ts';
import type { Caller, SimContext } from './context.ts';
import { jsonResponse, refusalOf, type SimResponse } from './http.ts';
import { pageOf, readPaging } from './paging.ts';

const PAGE_MAX = 1_000;

export function listModels(context: SimContext, caller: Caller): SimResponse {
  const nowMs = context.clock.now();
  const asked = [...caller.query.getAll('lifecycle[]'), ...caller.query.getAll('lifecycle')].flatMap((text) =>
    text.split(','),
  );
  const shown = asked.length > 0 ? asked : ['active', 'deprecated'];
  const paging = readPaging(caller.query, PAGE_MAX);
  const page = pageOf(
    MODELS,
    paging,
    (model) => model.id,
    (model) => shown.includes(lifecycleAt(model, nowMs)),
  );
  return jsonResponse({ ...page, data: page.data.map((model) => modelJson(model, nowMs)) });
}

export function retrieveModel(context: SimContext, name: string): SimResponse {
  const nowMs = context.clock.now();
  const model = findModel(name);
  const isHidden = context.settings.switches.retiredModel === 'not_found';
  if (model === undefined || (isHidden && lifecycleAt(model, nowMs) === 'retired'))
    throw refusalOf(404, `model: ${name}`);
  return jsonResponse(modelJson(model, nowMs));
}

function modelJson(model: SimModel, nowMs: number): Readonly<Record<string, unknown>> {
  const lifecycle = lifecycleAt(model, nowMs);
  return {
    type: 'model',
    id: model.id,
    display_name: model.displayName,
    created_at: model.createdAt,
    line: model.line,
    lifecycle,
    deprecated_at: model.deprecatedAt,
    retires_at: model.retiresAt,
    max_input_tokens: model.contextTokens,
    max_tokens: model.outputTokensMax,
    capabilities: capabilities(model, lifecycle !== 'retired'),
  };
}

function capabilities(model: SimModel, isServed: boolean): Readonly<Record<string, unknown>> {
  const { generation } = model;
  const is = (supported: boolean): { readonly supported: boolean } => ({ supported });
  const hasEffort = generation >= 4.5;
  const adaptive = generation > 4.5;
  return {
    batch: is(isServed),
    citations: is(true),
    code_execution: is(true),
    context_management: {
      ...is(true),
      clear_thinking_20251015: is(true),
      clear_tool_uses_20250919: is(true),
      compact_20260112: is(adaptive),
    },
    effort: {
      ...is(hasEffort),
      ...{ low: is(hasEffort), medium: is(hasEffort), high: is(hasEffort), xhigh: is(generation >= 4.7) },
      max: is(adaptive),
    },
    image_input: is(true),
    pdf_input: is(true),
    server_tools: { ...is(true), code_execution: is(true), web_search: is(true) },
    structured_outputs: is(generation >= 4.5),
    thinking: {
      ...is(true),
      types: {
        adaptive: is(adaptive),
        between_tools: is(generation >= 5),
        disabled: is(!model.refusesThinkingOff),
        enabled: is(generation < 4.7),
      },
    },
  };
}
