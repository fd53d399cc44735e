/**
 * Encodes rows into blocks (row-block.ts): each row once, an ordinary one with two writes.
 */
import { TextBlock, UNIT_BYTES_MAX } from '../../base/text-block.ts';
import { printHead, printOfInvalid, printTail } from '../fingerprint.ts';
import { hashOf } from '../id-hash.ts';
import { encodeInvalidEntry, generatedId, rowEntryLine, type InvalidEntry } from '../row-file.ts';
import { lineOf, type PreparedRow, type RowNotice, type RowReading, type SourceRecord } from '../source.ts';
import {
  BLOCK_ROWS,
  ID_HASH,
  PLACE_FIELDS,
  type BlockMemory,
  type RefusedEntry,
  type RowBlock,
  type RowKind,
} from './row-block.ts';

export interface EncoderOptions {
  readonly inputCount: number;
  /** Ids are needed as text: the rows of an adopted batch bear them. */
  readonly keepIds: boolean;
}

/** A row's parts as text, before it is known whether they fit. */
interface RowText {
  readonly head: string;
  readonly tail: string;
  readonly line: string;
  readonly id: string;
}

/** Fills one block after the other. */
export class RowEncoder {
  readonly #options: EncoderOptions;
  #prints: TextBlock;
  #lines: TextBlock;
  #places: Float64Array;
  #rowCount = 0;
  #kinds: RowKind[] = [];
  #ids: string[] | null;
  #refused: RefusedEntry[] = [];
  #notices = new Map<string, RowNotice & { rows: number }>();
  #firstRecord = 0;
  #records = 0;
  #firstParamsJson: string | null = null;
  #hasFirst = false;

  constructor(memory: BlockMemory, options: EncoderOptions) {
    this.#options = options;
    this.#prints = new TextBlock(memory.prints);
    this.#lines = new TextBlock(memory.lines);
    this.#places = memory.places;
    this.#ids = options.keepIds ? [] : null;
  }

  get isEmpty(): boolean {
    return this.#prints.length === 0;
  }

  /** Records read so far: the next one is number `records`. */
  get records(): number {
    return this.#records;
  }

  /** False when the block has no room for it: then `take` it, and add it again. */
  add(record: SourceRecord, reading: RowReading): boolean {
    if (!reading.ok) return this.#refuse(record, reading);
    const { row } = reading;
    const text = this.#textOf(record, row);
    if (!this.#hasRoom(row, text)) {
      if (!this.isEmpty) return false;
      // One that is larger than a block has one of its own.
      const printBytes = Buffer.byteLength(row.paramsJson) + bytesMax(text.head) + bytesMax(text.tail);
      this.#prints = new TextBlock(Buffer.allocUnsafeSlow(printBytes));
      this.#lines = new TextBlock(Buffer.allocUnsafeSlow(bytesMax(text.line)));
    }
    this.#write(row, text);
    for (const notice of reading.notices) this.#note(notice);
    return true;
  }

  /** The block so far; what follows is written into `next`, which may be the same memory once nobody needs the block. */
  take(next: BlockMemory): RowBlock {
    const block: RowBlock = {
      prints: this.#prints.take(),
      lines: this.#lines.take(),
      places: this.#places,
      rowCount: this.#rowCount,
      kinds: this.#kinds,
      ids: this.#ids,
      refused: this.#refused,
      notices: [...this.#notices.values()],
      firstRecord: this.#firstRecord,
      records: this.#records,
      firstParamsJson: this.#firstParamsJson,
    };
    this.#prints = new TextBlock(next.prints);
    this.#lines = new TextBlock(next.lines);
    this.#places = next.places;
    this.#firstRecord = this.#records;
    this.#rowCount = 0;
    this.#kinds = [];
    this.#ids = this.#options.keepIds ? [] : null;
    this.#refused = [];
    this.#notices = new Map();
    this.#firstParamsJson = null;
    return block;
  }

  #textOf(record: SourceRecord, row: PreparedRow): RowText {
    const id = row.customId ?? this.#generatedId(record);
    const idJson = row.plain ? `"${id}"` : JSON.stringify(id);
    const columnsJson = row.columns === undefined ? '' : JSON.stringify(row.columns);
    return {
      head: printHead(idJson),
      tail: printTail(row.betas, columnsJson),
      line: rowEntryLine(idJson, lineOf(record), record.file, columnsJson),
      id,
    };
  }

  #hasRoom(row: PreparedRow, { head, tail, line }: RowText): boolean {
    if (this.#rowCount === BLOCK_ROWS) return false;
    const print = head.length + row.paramsJson.length + tail.length;
    return row.plain
      ? this.#prints.hasRoomForBytes(print) && this.#lines.hasRoomForBytes(line.length)
      : this.#prints.hasRoom(print) && this.#lines.hasRoom(line.length);
  }

  #write(row: PreparedRow, { head, tail, line, id }: RowText): void {
    const start = this.#prints.length;
    let [paramsStart, paramsEnd] = [start + head.length, start + head.length + row.paramsJson.length];
    if (row.plain) {
      this.#prints.appendAscii(head + row.paramsJson + tail);
      this.#lines.appendAscii(line);
    } else {
      paramsStart = start + this.#prints.append(head);
      paramsEnd = paramsStart + this.#prints.append(row.paramsJson);
      this.#prints.append(tail);
      this.#lines.append(line);
    }
    const place = this.#rowCount++ * PLACE_FIELDS;
    this.#places[place] = this.#records++;
    this.#places[place + 1] = paramsStart;
    this.#places[place + 2] = paramsEnd;
    this.#places[place + 3] = this.#lines.length;
    this.#places[place + 4] = this.#kindOf(row);
    this.#places[place + ID_HASH] = hashOf(id);
    this.#ids?.push(id);
    if (this.#hasFirst) return;
    this.#hasFirst = true;
    this.#firstParamsJson = row.paramsJson;
  }

  /** Nearly always that of the row before. */
  #kindOf({ model, maxTokens, betas, priority, caches, addedTokens, media, lane, route }: PreparedRow): number {
    for (let at = this.#kinds.length - 1; at >= Math.max(0, this.#kinds.length - KINDS_LOOKED_AT); at--) {
      const kind = this.#kinds[at];
      const same = kind?.model === model && kind.maxTokens === maxTokens && kind.caches === caches;
      const sized = kind?.addedTokens === addedTokens && isSameMedia(kind.media ?? null, media);
      const isRouted = same && sized && kind.lane === lane && kind.route === route;
      if (isRouted && kind.priority === priority && sameList(kind.betas, betas)) return at;
    }
    this.#kinds.push({ model, maxTokens, betas, priority, caches, addedTokens, media, lane, route });
    return this.#kinds.length - 1;
  }

  #refuse(record: SourceRecord, reading: Extract<RowReading, { ok: false }>): boolean {
    const print = printOfInvalid(record.line, record.file);
    if (!this.#prints.hasRoomForBytes(print.length) || this.#refused.length >= REFUSED_MAX) return false;
    this.#prints.appendAscii(print);
    const { columns, params, problems } = reading;
    const entry: InvalidEntry = {
      seq: this.#records++,
      id: reading.customId ?? this.#generatedId(record),
      line: record.line,
      file: record.file,
      ...(columns === undefined ? {} : { columns }),
      ...(params === undefined ? {} : { params }),
      problems,
    };
    const { seq, id, line, file } = entry;
    this.#refused.push({
      seq,
      id,
      line,
      problems,
      text: encodeInvalidEntry(entry),
      ...(file === undefined ? {} : { file }),
    });
    return true;
  }

  #generatedId(record: SourceRecord): string {
    return generatedId(record.file, lineOf(record), this.#options.inputCount);
  }

  #note(notice: RowNotice): void {
    const known = this.#notices.get(notice.message);
    if (known) known.rows++;
    else this.#notices.set(notice.message, { code: notice.code, message: notice.message, rows: 1 });
  }
}

/** With many kinds a few are looked at: one that is listed twice does no harm. */
const KINDS_LOOKED_AT = 8;
/** Refused records hold what they were made of as text: their block is passed on early, so that memory stays flat. */
const REFUSED_MAX = 256;

function bytesMax(text: string): number {
  return text.length * UNIT_BYTES_MAX;
}

function isSameMedia(a: PreparedRow['media'], b: PreparedRow['media']): boolean {
  return a === b || (a !== null && b !== null && a.bytes === b.bytes && a.tokens === b.tokens);
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((value, at) => value === b[at]));
}
