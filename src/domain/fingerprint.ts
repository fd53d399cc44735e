/**
 * What makes two submits the same run: the API's origin, the workspace header, the name, and the decoded rows in
 * their order (custom_id, final params, betas, carried columns). Path, compression, line endings, chunking, output and
 * pacing are out. The API key is out as well: a rotated key must not pay for everything again.
 */
import { createHash } from 'node:crypto';
import { TextBlock } from '../base/text-block.ts';

export interface FingerprintScope {
  readonly origin: string;
  /** The workspace where a header names it, else null. */
  readonly workspaceHeader: string | null;
  readonly name: string | null;
}

export interface FingerprintRow {
  readonly customId: string;
  readonly paramsJson: string;
  readonly betas: readonly string[];
  readonly columnsJson: string;
}

/** Bytes gathered before they go to the hash: one call per row would cost more than the hashing. */
const PENDING_BYTES_MAX = 256 * 1024;

export class Fingerprint {
  readonly #hash = createHash('sha256');
  readonly #pending = new TextBlock(PENDING_BYTES_MAX);

  constructor(scope: FingerprintScope) {
    this.#add(`${JSON.stringify(['batchrun 1', scope.origin, scope.workspaceHeader, scope.name])}\n`);
  }

  /** JSON has no raw tab or line feed, so the parts of a row cannot run into each other. */
  add(row: FingerprintRow): void {
    this.#add(`${JSON.stringify(row.customId)}\t`);
    this.#add(row.paramsJson);
    this.#add(`\t${row.betas.join(',')}\t`);
    if (row.columnsJson !== '') this.#add(row.columnsJson);
    this.#add('\n');
  }

  /** A record that could not be read or sent counts too: mending it makes another run. */
  addInvalid(line: number, file: number): void {
    this.#add(`!${file}:${line}\n`);
  }

  digest(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #add(text: string): void {
    if (!this.#pending.hasRoom(text.length)) {
      this.#flush();
      if (!this.#pending.hasRoom(text.length)) {
        this.#hash.update(text);
        return;
      }
    }
    this.#pending.append(text);
  }

  #flush(): void {
    this.#hash.update(this.#pending.take());
  }
}

/** A short hash of one setting, so that a later submit can name the flag that differs without keeping its text. */
export function settingHash(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(value ?? null))
    .digest('hex')
    .slice(0, 12);
}
