/**
 * What makes two submits the same run: the API's origin, the workspace header, the name, and the decoded rows in
 * their order (custom_id, final params, betas, carried columns). Path, compression, line endings, chunking, output and
 * pacing are out. The API key is out as well: a rotated key must not pay for everything again.
 */
import { createHash } from 'node:crypto';

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

/** Characters gathered before they go to the hash: one call per row would cost more than the hashing. */
const PENDING_CHARS_MAX = 256 * 1024;

export class Fingerprint {
  readonly #hash = createHash('sha256');
  #pending: string;

  constructor(scope: FingerprintScope) {
    this.#pending = `${JSON.stringify(['batchrun 1', scope.origin, scope.workspaceHeader, scope.name])}\n`;
  }

  /** JSON has no raw tab or line feed, so the parts of a row cannot run into each other. */
  add(row: FingerprintRow): void {
    this.#pending += `${JSON.stringify(row.customId)}\t${row.paramsJson}\t${row.betas.join(',')}\t${row.columnsJson}\n`;
    if (this.#pending.length > PENDING_CHARS_MAX) this.#flush();
  }

  /** A record that could not be read or sent counts too: mending it makes another run. */
  addInvalid(line: number, file: number): void {
    this.#pending += `!${file}:${line}\n`;
  }

  digest(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #flush(): void {
    this.#hash.update(this.#pending);
    this.#pending = '';
  }
}

/** A short hash of one setting, so that a later submit can name the flag that differs without keeping its text. */
export function settingHash(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(value ?? null))
    .digest('hex')
    .slice(0, 12);
}
