/**
 * What a route does to a row: its model, max_tokens, priority and lane go before those of the flags. What a row says
 * itself stays, unless the rule says `override: true`.
 */
import type { Lane } from '../model.ts';
import { tokensFromBytes } from '../estimate/tokenizer.ts';
import type { Priority } from '../priority.ts';
import { compileRoutes, type RoutedRow, type Router } from '../routing/router.ts';
import type { Route } from '../routing/rules.ts';
import { stringifyParams } from './params-json.ts';
import type { JsonObject } from './shape.ts';

export interface RoutingOptions {
  readonly routes: readonly Route[];
  /** Sees each row as the rules see it; asking it for its tokens counts them. */
  readonly onRow?: (row: RoutedRow) => void;
}

export interface RowToRoute {
  readonly record: JsonObject;
  /** The row's own params; undefined for plain data. */
  readonly own: JsonObject | undefined;
  /** With those of the flags. */
  readonly merged: JsonObject;
}

export class RowRouting {
  readonly #choose: Router;
  readonly #onRow: ((row: RoutedRow) => void) | undefined;

  constructor({ routes, onRow }: RoutingOptions) {
    this.#choose = compileRoutes(routes);
    this.#onRow = onRow;
  }

  routeOf({ record, own, merged }: RowToRoute): Route | null {
    const row = { record, own, tokens: () => estimatedTokens(merged) };
    this.#onRow?.(row);
    return this.#choose(row);
  }
}

/** By the model that the row has without the rules; without one, by the tokenizer of the newer models. */
function estimatedTokens(params: JsonObject): number {
  const model = params['model'];
  return tokensFromBytes(typeof model === 'string' ? model : '', Buffer.byteLength(stringifyParams(params)));
}

/** The same object where the route changes nothing. */
export function routedParams(merged: JsonObject, own: JsonObject | undefined, route: Route): JsonObject {
  const { model, maxTokens } = route.use;
  const isFree = (name: string): boolean => route.override || own === undefined || !Object.hasOwn(own, name);
  const takesModel = model !== undefined && isFree('model');
  const takesMaxTokens = maxTokens !== undefined && isFree('max_tokens');
  if (!takesModel && !takesMaxTokens) return merged;
  const params: Record<string, unknown> = { ...merged };
  if (takesModel) params['model'] = model;
  if (takesMaxTokens) params['max_tokens'] = maxTokens;
  return params;
}

export function routedPriority(route: Route | null, own: Priority | null): Priority | null {
  const priority = route?.use.priority;
  return priority !== undefined && (own === null || route?.override === true) ? priority : own;
}

/** Null: as the run. */
export function routedLane(route: Route | null): Lane | null {
  const lane = route?.use.lane;
  return lane === undefined || lane === 'auto' ? null : lane;
}
