/**
 * The beta headers of a row: rows with different ones never share a batch, because the header is of the whole batch.
 */
import type { Findings } from './findings.ts';
import { kindOf, type JsonObject } from './shape.ts';

export const NO_BETAS: readonly string[] = Object.freeze([]);

/** The defaults, the row's, and those among the params (as the SDK writes them): sorted, each once. */
export function mergedBetas(
  defaults: readonly string[],
  row: unknown,
  findings: Findings,
  param?: unknown,
): readonly string[] {
  if (row === undefined && param === undefined) return defaults;
  const names = new Set(defaults);
  for (const betas of [row, param]) {
    if (betas === undefined || betas === null) continue;
    const list = Array.isArray(betas) ? betas : [betas];
    for (const beta of list) {
      if (typeof beta === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(beta)) names.add(beta);
      else findings.problem('betas', `betas must be a list of names, and has ${kindOf(beta)} that is none`);
    }
  }
  return [...names].sort();
}

export function withoutBetas(params: JsonObject): JsonObject {
  const { betas: _taken, ...rest } = params;
  return rest;
}
