/**
 * Finds ids that occur twice among rows that nobody keeps: their hashes are sorted (engine/ingest/id-ledger.ts), their texts
 * with their places lie in a temporary file, and only where hashes meet is that looked at again.
 */
import { BatchrunError, invariant } from '../../base/errors.ts';
import { hashOf } from '../../domain/id-hash.ts';
import { linesOf } from '../../domain/lines.ts';
import type { AppendLog, Files } from '../../domain/ports.ts';
import { duplicateMessage, wins, type Holder } from '../../engine/ingest/duplicates.ts';
import { IdLedger } from '../../engine/ingest/id-ledger.ts';

export interface PlacedId {
  readonly id: string;
  readonly line: number;
  readonly file: number;
  /** It is the line number: the row has none of its own. */
  readonly generated: boolean;
}

export interface DuplicateId extends PlacedId {
  readonly message: string;
}

const IDS_FILE = 'ids.jsonl';
const HELD_CHARS_MAX = 1_000_000;
const LINE_BYTES_MAX = 1_000_000;

export class IdCheck {
  readonly #files: Files;
  readonly #ledger: IdLedger;
  #log: AppendLog | undefined;
  #held = '';

  constructor(files: Files) {
    this.#files = files;
    this.#ledger = new IdLedger(files, 'check');
  }

  /** Gives a promise only when something has to be written. */
  add({ id, line, file, generated }: PlacedId): Promise<void> | undefined {
    this.#held += `${JSON.stringify([id, line, file, generated])}\n`;
    const spilled = this.#ledger.add(hashOf(id));
    if (this.#held.length < HELD_CHARS_MAX) return spilled;
    return Promise.all([spilled, this.#write()]).then(() => undefined);
  }

  /** Rows whose id is another row's, in the order of the input. */
  async *duplicates(): AsyncGenerator<DuplicateId> {
    for await (const hashes of this.#ledger.duplicateHashes()) {
      const holders = new Map<string, Holder>();
      for await (const holder of this.#suspects(hashes)) {
        const known = holders.get(holder.id);
        if (!known || wins(holder, known)) holders.set(holder.id, holder);
      }
      for await (const own of this.#suspects(hashes)) {
        const holder = holders.get(own.id);
        invariant(holder, 'an id that was seen once is seen again');
        if (holder.seq === own.seq) continue;
        const { id, line, file, generated } = own;
        yield { id, line, file, generated, message: duplicateMessage(id, own, holder) };
      }
    }
    await this.#log?.close();
  }

  async *#suspects(hashes: ReadonlySet<number>): AsyncGenerator<Holder & PlacedId> {
    await this.#write();
    let seq = 0;
    const pieces = this.#files.stream(IDS_FILE);
    for await (const { bytes } of linesOf(pieces, { lineBytesMax: LINE_BYTES_MAX, tooLong })) {
      const [id, line, file, generated] = JSON.parse(bytes.toString()) as [string, number, number, boolean];
      if (hashes.has(hashOf(id))) yield { id, line, file, generated, seq };
      seq++;
    }
  }

  async #write(): Promise<void> {
    const text = this.#held;
    this.#held = '';
    if (text === '') return;
    this.#log ??= await this.#files.openAppend(IDS_FILE, 0);
    await this.#log.append(Buffer.from(text));
  }
}

function tooLong(bytes: number): never {
  throw new BatchrunError('E_BUG', `this must not happen: an id of ${bytes} bytes was taken`);
}
