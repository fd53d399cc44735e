/**
 * Rows that stand for the real ones: as long to the byte, because chunks, budgets and lanes go by that, and with the
 * model, max_tokens, betas, priority and shared prefixes of the real row, but without its texts. Each text is replaced by
 * the number of bytes that it counts for (`~4711`), and the room that is left is filled with line ends, which no JSON of
 * ours has between its parts: so they pack to nothing, and a body can be sent without them (wire.ts).
 *
 * The rows are changed in their block, which is ours until the next one is asked for.
 */
import { modelFacts } from '../../domain/models.ts';
import { tokensFromBytes } from '../../domain/estimate/tokenizer.ts';
import type { PreparedRows } from '../../domain/row/prepare-rows.ts';
import { idJsonOf } from '../../domain/row-file.ts';
import { PLACE_FIELDS, rowAt, type RowBlock } from '../../domain/row/row-block.ts';
import { API_VERSIONS } from '../sim/catalogue.ts';
import { BYTES_PER_TOKEN } from '../sim/prompt.ts';
import { judgeParams } from '../sim/validate.ts';
import { contentOf, type Content } from './content.ts';

/** Fills what a stand-in leaves of its row. Raw line ends: inside of JSON strings they are escaped. */
export const FILLER = 0x0a;
/** What marks a text that stands for a longer one. */
const MARK = '~';
/** Kinds of problems that are listed; there are rarely two. */
const PROBLEMS_MAX = 20;
const CLOSE_BRACE = 0x7d;

/** What was found in the real rows. */
export interface RowTally {
  rows: number;
  inputTokens: number;
  /** Rows that keep their own text, because a stand-in would be longer. */
  asTheyAre: number;
  /** Rows that the simulator would refuse, by what it says. */
  readonly problems: Map<string, number>;
}

export function newTally(): RowTally {
  return { rows: 0, inputTokens: 0, asTheyAre: 0, problems: new Map() };
}

export function standIns(rows: PreparedRows, tally: RowTally, nowMs: number): PreparedRows {
  return {
    async *blocks() {
      for await (const { block, progress } of rows.blocks()) yield { block: emptied(block, tally, nowMs), progress };
    },
  };
}

/** How many bytes a text counts for: what a stand-in says, else what it has. */
export function bytesOfText(text: string): number {
  if (!text.startsWith(MARK)) return Buffer.byteLength(text);
  const [, bytes] = /^~(\d+)(?:~[0-9a-f]*)?$/.exec(text) ?? [];
  return bytes === undefined ? Buffer.byteLength(text) : Number(bytes);
}

function emptied(block: RowBlock, tally: RowTally, nowMs: number): RowBlock {
  for (let at = 0; at < block.rowCount; at++) {
    const { params, kind } = rowAt(block, at);
    tally.rows++;
    const real = JSON.parse(params.toString()) as Record<string, unknown>;
    const content = contentOf(real);
    const tokens = tokensFromBytes(kind.model, content.textBytes) + content.mediaTokens;
    tally.inputTokens += tokens;
    const problem = problemOf(real, { kind, tokens, nowMs });
    if (problem !== undefined) note(tally, problem);
    const text = problem === undefined ? standIn(real, kind, content) : refusedStandIn(real);
    if (!overwrite(params, text)) tally.asTheyAre++;
  }
  return { ...block, lines: withoutColumns(block) };
}

function note({ problems }: RowTally, problem: string): void {
  if (problems.has(problem) || problems.size < PROBLEMS_MAX) problems.set(problem, (problems.get(problem) ?? 0) + 1);
}

/** Why the real row would come back errored, as the simulator judges it. How long it is, is known here already. */
function problemOf(
  real: Record<string, unknown>,
  { kind, tokens, nowMs }: { readonly kind: Kind; readonly tokens: number; readonly nowMs: number },
): string | undefined {
  const { betas, model } = kind;
  const problem = judgeParams(real, { lane: 'batch', version: NEWEST_VERSION, betas, nowMs, textBytes: () => 0 });
  if (problem !== undefined) return problem.message;
  return tokens > contextOf(model, nowMs) ? 'prompt is too long for the context window of its model' : undefined;
}

const NEWEST_VERSION = API_VERSIONS.at(-1) ?? '';
const contexts = new Map<string, number>();

function contextOf(model: string, nowMs: number): number {
  const known = contexts.get(model) ?? modelFacts(model, nowMs).contextTokens ?? Infinity;
  contexts.set(model, known);
  return known;
}

type Kind = ReturnType<typeof rowAt>['kind'];

function standIn(real: Record<string, unknown>, kind: Kind, content: Content): string {
  const { model, max_tokens: maxTokens } = real;
  // By the estimate for this model: the simulator itself counts four bytes a token.
  const counted = (bytes: number, mediaTokens: number): number =>
    (tokensFromBytes(kind.model, bytes) + mediaTokens) * BYTES_PER_TOKEN;
  if (content.prefixes.length === 0) {
    const text = `${MARK}${counted(content.textBytes, content.mediaTokens)}`;
    return JSON.stringify({ model, max_tokens: maxTokens, messages: [{ role: 'user', content: text }] });
  }
  let before = 0;
  const blocks = content.prefixes.map(({ textBytes, mediaTokens, hash, control }) => {
    const upTo = counted(textBytes, mediaTokens);
    const bytes = upTo - before;
    before = upTo;
    return { type: 'text', text: `${MARK}${bytes}${MARK}${hash}`, cache_control: control };
  });
  const rest = counted(content.textBytes, content.mediaTokens) - before;
  const messages = [{ role: 'user', content: `${MARK}${Math.max(0, rest)}` }];
  return JSON.stringify({ model, max_tokens: maxTokens, system: blocks, messages });
}

/** Refused as the real row would be: an empty text is never taken. */
function refusedStandIn({ model, max_tokens: maxTokens }: Record<string, unknown>): string {
  return JSON.stringify({ model, max_tokens: maxTokens, messages: [{ role: 'user', content: '' }] });
}

/** False where the stand-in does not fit. */
function overwrite(params: Buffer, text: string): boolean {
  const bytes = Buffer.byteLength(text);
  if (bytes > params.length) return false;
  params.fill(FILLER);
  params.write(text.slice(0, -1));
  params[params.length - 1] = CLOSE_BRACE;
  return true;
}

const COLUMNS = Buffer.from(',"columns":');
const LINE_END = Buffer.from('}\n');

/** Columns are carried to an output that nobody reads. The lines move together in their own memory. */
function withoutColumns(block: RowBlock): Buffer {
  const { places, lines } = block;
  let written = 0;
  let start = 0;
  for (let at = 0; at < block.rowCount; at++) {
    const end = places[at * PLACE_FIELDS + 3] ?? start;
    const line = lines.subarray(start, end);
    const id = idJsonOf(line);
    const mark = id === null ? -1 : line.indexOf(COLUMNS, id.byteOffset - line.byteOffset + id.length);
    const kept = mark === -1 ? line.length : mark;
    lines.copyWithin(written, start, start + kept);
    written += kept;
    if (mark !== -1) written += LINE_END.copy(lines, written);
    start = end;
    places[at * PLACE_FIELDS + 3] = written;
  }
  return lines.subarray(0, written);
}
