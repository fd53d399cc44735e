/**
 * Is state.db whole, and is it still the ledger of this folder? Looked at before SQLite opens it, because SQLite mends
 * in silence: it begins an empty database where the file is gone, leaves out what it cannot read of the write-ahead
 * log, and takes zeros for the pages behind a cut. A ledger that has forgotten a batch is a batch paid twice.
 *
 * Nothing is changed here. The formats are SQLite's documented ones (sqlite.org/fileformat2.html, walformat.html).
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { BatchrunError, type BatchrunErrorOptions } from '../../base/errors.ts';

const MAGIC = 'SQLite format 3\0';
const DB_HEADER_BYTES = 100;
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** Two copies of the header of the write-ahead log's index, and how far the log is copied into the file. */
const INDEX_BYTES = 100;
const INDEX_HEADER_BYTES = 48;
const INDEX_VERSION = 3_007_000;
/** Somebody at work changes what is read; damage stays as it is. */
const LOOKS_MAX = 5;

/** E_STATE_CORRUPT, with what to do about a ledger that cannot be believed. */
export function corruptLedger(file: string, message: string, options: BatchrunErrorOptions = {}): BatchrunError {
  return new BatchrunError('E_STATE_CORRUPT', message, {
    details: { file },
    ...options,
    hint: `Bring ${file} back as it was, with its -wal file if there was one. Nothing was changed or sent. Do not delete it or the folder while batches may be running: their rows would be paid again.`,
  });
}

/** There was a ledger here, and now there is none. `traces` says what is left of its runs. */
export function lostLedger(file: string, traces: string): BatchrunError {
  return corruptLedger(file, `${file} is missing or empty, but there is ${traces} beside it: its ledger is lost`);
}

/** Throws E_STATE_CORRUPT where the file or its write-ahead log has lost something. Changes nothing. */
export function refuseDamaged(file: string): void {
  let before = '';
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    const { damage, seen } = look(file);
    if (damage === null) return;
    if (seen === before) throw corruptLedger(file, damage);
    before = seen;
  }
}

/** Does the file hold anything? */
export function isEmptyFile(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0;
}

interface Look {
  readonly damage: string | null;
  /** The same text twice: nobody was at work between. */
  readonly seen: string;
}

/** The log first and the file after it: what was in the log then is in the file now, or in the log still. */
function look(file: string): Look {
  if (!isEmptyFile(`${file}-journal`)) return { damage: null, seen: '' };
  const index = readIndex(`${file}-shm`);
  const log = readLog(`${file}-wal`);
  const head = readHead(file);
  const seen = JSON.stringify([index, log?.bytes, log?.salts, log?.frames, head?.bytes, head?.pages]);
  return { damage: damageOf(file, index, log, head), seen };
}

function damageOf(file: string, index: Index | null, log: Log | null, head: Head | null): string | null {
  const logBytes = log?.bytes ?? 0;
  if (logBytes > WAL_HEADER_BYTES && log?.salts === null)
    return `${file}-wal is damaged: the last changes of ${file} cannot be read`;
  const kept = log?.frames ?? 0;
  if (index && index.frames > kept && (logBytes <= WAL_HEADER_BYTES || index.salts === log?.salts))
    return `${file}-wal is missing, cut or damaged: ${index.frames - kept} of the last changes of ${file} are lost`;
  if (!head) return logBytes > WAL_HEADER_BYTES ? `${file} is missing or empty, but its -wal file is not` : null;
  if (!head.isDatabase) return `${file} is not an SQLite database`;
  const pageBytes = log?.pageBytes ?? head.pageBytes;
  const pages = log?.pages ?? head.pages;
  for (let page = Math.floor(head.bytes / pageBytes) + 1; page <= pages; page++) {
    if (log?.inLog.has(page) !== true) return `${file} is cut: it has ${head.bytes} of ${pages * pageBytes} bytes`;
  }
  return null;
}

interface Head {
  readonly bytes: number;
  readonly isDatabase: boolean;
  readonly pageBytes: number;
  /** 0 where the header does not say. */
  readonly pages: number;
}

function readHead(file: string): Head | null {
  return reading(file, (read, bytes) => {
    if (bytes === 0) return null;
    const header = read(0, DB_HEADER_BYTES);
    if (header.length < DB_HEADER_BYTES || header.toString('latin1', 0, 16) !== MAGIC) {
      return { bytes, isDatabase: false, pageBytes: 1, pages: 0 };
    }
    const said = header.readUInt16BE(16);
    // The count is good only where it was written with the last change.
    const pages = header.readUInt32BE(24) === header.readUInt32BE(92) ? header.readUInt32BE(28) : 0;
    return { bytes, isDatabase: true, pageBytes: said === 1 ? 65_536 : said, pages };
  });
}

interface Index {
  readonly salts: string;
  /** Frames that were committed and are not in the file yet; 0 where all are. */
  readonly frames: number;
}

/** What the last process knew of the log. Null where it left nothing that can be believed. */
function readIndex(file: string): Index | null {
  return reading(file, (read) => {
    const bytes = read(0, INDEX_BYTES);
    if (bytes.length < INDEX_BYTES) return null;
    const header = bytes.subarray(0, INDEX_HEADER_BYTES);
    const twice = header.equals(bytes.subarray(INDEX_HEADER_BYTES, 2 * INDEX_HEADER_BYTES));
    const word = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    // It is in the machine's own order of bytes: another order is another machine's.
    const sum = new Checksum(true);
    sum.add(header.subarray(0, 40));
    if (!twice || word.getUint32(0, true) !== INDEX_VERSION || sum.text !== header.toString('hex', 40, 48)) return null;
    const [frames, copied] = [word.getUint32(16, true), word.getUint32(96, true)];
    return { salts: header.toString('hex', 32, 40), frames: copied >= frames ? 0 : frames };
  });
}

interface Log {
  readonly bytes: number;
  /** Null where its header cannot be believed. */
  readonly salts: string | null;
  readonly pageBytes: number | undefined;
  /** Frames that are whole, from the first on. */
  readonly frames: number;
  /** Pages of the database after the last commit in the log; undefined where there is none. */
  readonly pages: number | undefined;
  readonly inLog: ReadonlySet<number>;
}

function readLog(file: string): Log | null {
  return reading(file, (read, bytes) => {
    const none = { bytes, salts: null, pageBytes: undefined, frames: 0, pages: undefined, inLog: new Set<number>() };
    const header = read(0, WAL_HEADER_BYTES);
    if (header.length < WAL_HEADER_BYTES || header.readUInt32BE(0) >>> 1 !== 0x377f0682 >>> 1) return none;
    const sum = new Checksum((header.readUInt32BE(0) & 1) === 0);
    sum.add(header.subarray(0, 24));
    if (sum.text !== sum.inFile(header, 24)) return none;
    const pageBytes = header.readUInt32BE(8);
    const salts = header.toString('hex', 16, 24);
    const inLog = new Set<number>();
    let frames = 0;
    let pages: number | undefined;
    for (let at = WAL_HEADER_BYTES; ; at += FRAME_HEADER_BYTES + pageBytes) {
      const frame = read(at, FRAME_HEADER_BYTES + pageBytes);
      if (frame.length < FRAME_HEADER_BYTES + pageBytes || frame.toString('hex', 8, 16) !== salts) break;
      sum.add(frame.subarray(0, 8));
      sum.add(frame.subarray(FRAME_HEADER_BYTES));
      if (sum.text !== sum.inFile(frame, 16)) break;
      frames++;
      inLog.add(frame.readUInt32BE(0));
      // The last frame of a transaction says how many pages there are now.
      const committed = frame.readUInt32BE(4);
      if (committed > 0) pages = committed;
    }
    return { bytes, salts, pageBytes, frames, pages, inLog };
  });
}

/** The running checksum of SQLite's log, over words of four bytes in one order or the other. */
class Checksum {
  readonly #little: boolean;
  #first = 0;
  #second = 0;

  constructor(little: boolean) {
    this.#little = little;
  }

  add(bytes: Buffer): void {
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const little = this.#little;
    let [first, second] = [this.#first, this.#second];
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      first = (first + words.getInt32(at, little) + second) | 0;
      second = (second + words.getInt32(at + 4, little) + first) | 0;
    }
    this.#first = first;
    this.#second = second;
  }

  /** As it would lie in the index, in hex. */
  get text(): string {
    const both = Buffer.alloc(8);
    both.writeInt32LE(this.#first, 0);
    both.writeInt32LE(this.#second, 4);
    return both.toString('hex');
  }

  /** The one that is written in the log, in the same form. In the log sums are always big-endian. */
  inFile(bytes: Buffer, at: number): string {
    return Buffer.from(bytes.subarray(at, at + 8))
      .swap32()
      .toString('hex');
  }
}

/** Reads a file piece by piece. Null where there is none, or where it may not be read: then SQLite will say so. */
function reading<T>(
  file: string,
  work: (read: (at: number, length: number) => Buffer, bytes: number) => T | null,
): T | null {
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch {
    return null;
  }
  try {
    const read = (at: number, length: number): Buffer => {
      const buffer = Buffer.alloc(length);
      return buffer.subarray(0, readSync(handle, buffer, 0, length, at));
    };
    return work(read, fstatSync(handle).size);
  } catch {
    // A folder, or a disk that fails.
    return null;
  } finally {
    closeSync(handle);
  }
}
