/**
 * Finds what rows have in common from their beginning on: whole blocks, and of a text the lines that it begins with. Rows
 * of several kinds may have several prefixes. It looks at a sample; what it finds is compared with every row later
 * (marker.ts), so a sample that was not like the rest costs savings and nothing else.
 */
import { isObject, type JsonObject } from '../row/shape.ts';
import {
  blocksOf,
  hasOwnMarks,
  isMarkable,
  isPlainText,
  keyOf,
  steeringOf,
  type PrefixMessage,
  type Section,
  type SharedPrefix,
} from './blocks.ts';

export const PREFIXES_MAX = 8;
/** A kind of rows that is rarer than this among the rows beside it is not worth a prefix of its own. */
const KIND_SHARE_MIN = 0.05;
/** A text is cut in two only for as much: a thousand bytes, and a tenth of what is before. */
const CUT_GAIN_BYTES_MIN = 1_024;
const CUT_GAIN_SHARE_MIN = 0.1;
/** The head of a template is taken beyond its last line end where so much of it lies there. */
const HEAD_REST_SHARE_MIN = 0.2;

export interface FoundPrefix extends SharedPrefix {
  /** Rows of the sample that begin with it and with no longer one. */
  readonly rows: number;
  /** UTF-8 bytes of its blocks. */
  readonly bytes: number;
}

export interface FindOptions {
  /** The text of a template before its first placeholder: it is the same in all rows, and may end within a line. */
  readonly heads?: readonly string[];
  /** Bytes that a prefix needs so that it is kept at all: a shorter one is not in the way of a longer one. */
  readonly bytesMin: (model: string) => number;
}

/** A step of a row on its way from the beginning: a block, or a line of one. */
interface Unit {
  readonly key: string;
  readonly bytes: number;
  readonly section: Section;
  readonly role: string;
  /** Which message and which block of it. */
  readonly at: number;
  readonly nth: number;
  readonly block: JsonObject;
  /** Of a line: where it ends in the text of the block. */
  readonly endsAt: number | null;
  /** The block ends with it. */
  readonly closes: boolean;
}

/** The prefixes that are worth most first. Rows with marks of their own are left out. */
export function findPrefixes(rows: readonly JsonObject[], options: FindOptions): FoundPrefix[] {
  const groups = new Map<string, { readonly model: string; readonly steering: string; readonly rows: Unit[][] }>();
  const known = new Map<string, readonly Unit[]>();
  for (const params of rows) {
    const { model } = params;
    if (typeof model !== 'string' || hasOwnMarks(params)) continue;
    const steering = steeringOf(params);
    const key = `${model}\n${steering}`;
    const group = groups.get(key) ?? { model, steering, rows: [] };
    groups.set(key, group);
    group.rows.push(unitsOf(params, { heads: options.heads ?? [], known }));
  }
  const found: FoundPrefix[] = [];
  for (const { model, steering, rows: units } of groups.values()) {
    const finder = new Finder(options.bytesMin(model), units.length);
    for (const one of finder.find(units, 0)) {
      found.push({ ...prefixOf({ model, steering }, one), rows: one.rows, bytes: bytesOf(one.path) });
    }
  }
  return found.sort((one, other) => other.bytes * other.rows - one.bytes * one.rows).slice(0, PREFIXES_MAX);
}

interface Path {
  readonly path: readonly Unit[];
  readonly rows: number;
  /** In some row its last text goes on. */
  readonly isCut: boolean;
}

class Finder {
  readonly #bytesMin: number;
  readonly #rowsMin: number;

  constructor(bytesMin: number, rows: number) {
    this.#bytesMin = bytesMin;
    this.#rowsMin = Math.max(2, Math.ceil(rows * KIND_SHARE_MIN));
  }

  /** Of rows whose first `depth` units are the same. */
  find(rows: readonly Unit[][], depth: number): Path[] {
    const [first] = rows;
    if (!first || rows.length < this.#rowsMin) return [];
    let end = depth;
    for (; end < first.length; end++) {
      const unit = first[end];
      if (rows.some((units) => units[end] !== unit && units[end]?.key !== unit?.key)) break;
    }
    const here = this.#usable(first.slice(0, end), rows);
    const isCut = isCutAt(rows, here.length);
    const bytes = bytesOf(here);
    const deeper: Path[] = [];
    for (const group of groupsAt(rows, end)) {
      for (const found of this.find(group, end + 1)) {
        const gain = bytesOf(found.path) - bytes;
        if (bytes < this.#bytesMin || gain >= gainMin(bytes)) deeper.push(found);
      }
    }
    const left = rows.length - deeper.reduce((sum, one) => sum + one.rows, 0);
    return here.length > 0 && left >= this.#rowsMin ? [{ path: here, rows: left, isCut }, ...deeper] : deeper;
  }

  /** Back to where a mark can stand, and to the end of a block where a cut would gain little. */
  #usable(path: readonly Unit[], rows: readonly Unit[][]): readonly Unit[] {
    let end = path.length;
    while (end > 0 && !canEnd(path, end)) end--;
    if (!isCutAt(rows, end)) return path.slice(0, end);
    let whole = end;
    while (whole > 0 && !(path[whole - 1]?.closes === true && canEnd(path, whole))) whole--;
    const before = bytesOf(path.slice(0, whole));
    const gain = bytesOf(path.slice(0, end)) - before;
    const isLittle = gain < gainMin(before) && before >= this.#bytesMin;
    return path.slice(0, isLittle ? whole : end);
  }
}

function isCutAt(rows: readonly Unit[][], end: number): boolean {
  return rows.some((units) => units[end - 1]?.closes === false);
}

function gainMin(bytes: number): number {
  return Math.max(CUT_GAIN_BYTES_MIN, bytes * CUT_GAIN_SHARE_MIN);
}

/** By what comes next; a row that ends here is in none. */
function groupsAt(rows: readonly Unit[][], at: number): Unit[][][] {
  const groups = new Map<string, Unit[][]>();
  for (const units of rows) {
    const key = units[at]?.key;
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(units);
    else groups.set(key, [units]);
  }
  return [...groups.values()];
}

function bytesOf(path: readonly Unit[]): number {
  return path.reduce((sum, { bytes }) => sum + bytes, 0);
}

function canEnd(path: readonly Unit[], end: number): boolean {
  const last = path[end - 1];
  if (!last) return false;
  if (last.endsAt === null) return isMarkable(last.block, last.section);
  return String(last.block['text']).slice(0, last.endsAt).trim() !== '';
}

interface Cutting {
  readonly heads: readonly string[];
  /** Lines of texts that were cut before: what rows share is cut once. */
  readonly known: Map<string, readonly Unit[]>;
}

function unitsOf(params: JsonObject, cutting: Cutting): Unit[] {
  const units: Unit[] = [];
  const add = (section: Section, content: unknown, place: { at: number; role: string }): boolean => {
    const blocks = content === undefined || content === null ? [] : blocksOf(content);
    for (const [nth, block] of (blocks ?? []).entries()) {
      const where = { section, ...place, nth, block };
      // A tool is cut nowhere, and neither is what the assistant is made to have said.
      const isText = section !== 'tools' && place.role !== 'assistant' && isPlainText(block);
      if (isText) for (const line of knownLines(block.text, where, cutting)) units.push(line);
      else units.push(unit(where, JSON.stringify(block), null, true));
    }
    return blocks !== null;
  };
  if (!add('tools', params['tools'], { at: 0, role: '' })) return units;
  if (!add('system', params['system'], { at: 0, role: '' })) return units;
  const { messages } = params;
  for (const [at, message] of (Array.isArray(messages) ? (messages as unknown[]) : []).entries()) {
    if (!isObject(message) || typeof message['role'] !== 'string') break;
    if (!add('messages', message['content'], { at, role: message['role'] })) break;
  }
  return units;
}

type Where = Pick<Unit, 'section' | 'at' | 'role' | 'nth' | 'block'>;

function unit(where: Where, text: string, endsAt: number | null, closes: boolean): Unit {
  const key = `${where.section} ${where.at} ${where.role} ${where.nth} ${endsAt ?? ''} ${text}`;
  return { ...where, key, bytes: Buffer.byteLength(text), endsAt, closes };
}

function knownLines(text: string, where: Where, { heads, known }: Cutting): readonly Unit[] {
  const { section, at, role, nth } = where;
  const name = `${section} ${at} ${role} ${nth} ${text}`;
  const lines = known.get(name) ?? [...linesOf(text, heads, where)];
  known.set(name, lines);
  return lines;
}

function* linesOf(text: string, heads: readonly string[], where: Where): Generator<Unit> {
  const headEnd = endOfHead(text, heads);
  for (let from = 0; from < text.length;) {
    const lineEnd = text.indexOf('\n', from) + 1;
    const end = lineEnd === 0 ? text.length : lineEnd;
    const to = from < headEnd && headEnd < end ? headEnd : end;
    yield unit(where, text.slice(from, to), to, to === text.length);
    from = to;
  }
}

/** Where the head of a template ends in this text, if the text begins with one and much of it is in its last line. */
function endOfHead(text: string, heads: readonly string[]): number {
  for (const head of heads) {
    const rest = head.length - (head.lastIndexOf('\n') + 1);
    if (rest > 0 && rest >= head.length * HEAD_REST_SHARE_MIN && text.startsWith(head)) return head.length;
  }
  return 0;
}

function prefixOf(
  { model, steering }: { readonly model: string; readonly steering: string },
  { path, isCut }: Path,
): SharedPrefix {
  const tools: JsonObject[] = [];
  const system: JsonObject[] = [];
  const messages: { role: string; blocks: JsonObject[] }[] = [];
  for (const [step, { section, at, role, nth, block, endsAt }] of path.entries()) {
    const next = path[step + 1];
    // Of the lines of one block the last one says how far it goes.
    if (next?.section === section && next.at === at && next.nth === nth) continue;
    const whole = endsAt === null ? block : { type: 'text', text: String(block['text']).slice(0, endsAt) };
    if (section === 'tools') tools.push(whole);
    else if (section === 'system') system.push(whole);
    else if (messages[at]) messages[at].blocks.push(whole);
    else messages[at] = { role, blocks: [whole] };
  }
  const last = path.at(-1);
  const parts = { model, steering, tools, system, messages: messages satisfies PrefixMessage[] };
  const endsAt = last?.endsAt ?? 0;
  const isLine = endsAt > 0 && String(last?.block['text']).charAt(endsAt - 1) === '\n';
  return { ...parts, key: keyOf(parts), end: last?.section ?? 'tools', splits: endsAt > 0 && (isLine || isCut) };
}
