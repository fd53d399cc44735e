/**
 * The params of a row as another model would get them.
 */

export function replacedModel(paramsJson: string, from: string, to: string): string {
  if (from === to) return paramsJson;
  const params = JSON.parse(paramsJson) as Record<string, unknown>;
  return JSON.stringify({ ...params, model: to });
}
