/** What the API puts before a request that has tools or must answer by a schema: it is billed, and no bytes of ours show it. */
import { ADDED_ERROR, SCHEMA_TOKENS, TOOLS_TOKENS } from './tokenizer.ts';

const most = (tokens: number): number => Math.ceil(tokens * (1 + ADDED_ERROR));

const TOOLS_MOST = most(Math.max(...Object.values(TOOLS_TOKENS)));
const SCHEMA_MOST = most(SCHEMA_TOKENS);

/** The most that it puts before a request with these params. `byDefault`: it gets a format that is not in them yet. */
export function addedTokensMost(params: Readonly<Record<string, unknown>>, byDefault = false): number {
  const { tools, output_config: outputConfig } = params;
  const hasTools = Array.isArray(tools) && tools.length > 0;
  const hasFormat =
    byDefault || (typeof outputConfig === 'object' && outputConfig !== null && 'format' in outputConfig);
  return (hasTools ? TOOLS_MOST : 0) + (hasFormat ? SCHEMA_MOST : 0);
}
