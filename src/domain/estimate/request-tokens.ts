/**
 * The tokens of one request without asking the API: the rule of tokenizer.ts on what request-text.ts measured. The band
 * adds up the errors of its parts as if all erred the same way, because texts of one input do.
 */
import { sumBands, within, type Band } from './band.ts';
import type { RequestText, TextBytes } from './request-text.ts';
import {
  ADDED_ERROR,
  BINARY_ERROR,
  BYTES_PER_TOKEN,
  DOCUMENT_BYTES_PER_TOKEN,
  FRAME_TOKENS,
  generationOf,
  IMAGE_TOKENS,
  KIND_ERROR,
  SCHEMA_TOKENS,
  TEXT_KINDS,
  TOOLS_TOKENS,
} from './tokenizer.ts';

/** Of texts alone, without anything around them. */
export function textTokens(model: string, bytes: TextBytes): Band {
  const ratios = BYTES_PER_TOKEN[generationOf(model)];
  return sumBands(TEXT_KINDS.map((kind) => within(bytes[kind] / ratios[kind], KIND_ERROR[kind])));
}

export function requestTokens(model: string, text: RequestText): Band {
  const { request, turn, system } = FRAME_TOKENS;
  const frame = request + turn * text.turns + (text.hasSystem ? system : 0);
  const tools = text.hasTools ? TOOLS_TOKENS[generationOf(model)] : 0;
  const schema = text.hasSchema ? SCHEMA_TOKENS : 0;
  const binary = text.images * IMAGE_TOKENS + text.documentBytes / DOCUMENT_BYTES_PER_TOKEN;
  return sumBands([
    textTokens(model, text.bytes),
    within(frame + tools + schema, ADDED_ERROR),
    within(binary, BINARY_ERROR),
  ]);
}
