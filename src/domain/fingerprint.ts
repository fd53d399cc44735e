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

export class Fingerprint {
  readonly #hash = createHash('sha256');

  constructor(scope: FingerprintScope) {
    this.#hash.update(`${JSON.stringify(['batchrun 1', scope.origin, scope.workspaceHeader, scope.name])}\n`);
  }

  /** The prints of any number of rows, one after the other, in UTF-8. A call for each row would cost more than the hash. */
  add(prints: Uint8Array): void {
    this.#hash.update(prints);
  }

  digest(): string {
    return this.#hash.digest('hex');
  }
}

/** What a row adds to the fingerprint. JSON has no raw tab or line feed, so its parts cannot run into each other. */
export function printOf({ customId, paramsJson, betas, columnsJson }: FingerprintRow): string {
  return `${printHead(JSON.stringify(customId))}${paramsJson}${printTail(betas, columnsJson)}`;
}

/** The print of a row up to its params; its id as JSON. */
export function printHead(idJson: string): string {
  return `${idJson}\t`;
}

/** The print of a row after its params. */
export function printTail(betas: readonly string[], columnsJson: string): string {
  return betas.length === 0 ? `\t\t${columnsJson}\n` : `\t${betas.join(',')}\t${columnsJson}\n`;
}

/** A record that could not be read or sent counts too: mending it makes another run. */
export function printOfInvalid(line: number, file: number): string {
  return `!${file}:${line}\n`;
}

/** A short hash of one setting, so that a later submit can name the flag that differs without keeping its text. */
export function settingHash(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(value ?? null))
    .digest('hex')
    .slice(0, 12);
}
