/**
 * Writes what became of a run: the output in input order, and the rows that did not succeed with their requests. Both
 * under a temporary name until they are whole; what stands under the real name is the old file or the new one.
 */
import { failpoint } from '../base/failpoint.ts';
import { TextBlock } from '../base/text-block.ts';
import type { RunRecord } from '../domain/model.ts';
import type { FormatterOptions, OutputRecord } from '../domain/output-record.ts';
import type { FileWriter } from '../domain/ports.ts';
import type { Engine } from './engine.ts';
import { RequestReader } from './requests.ts';
import { walkRows, type WalkedRow } from './walk.ts';

/** Bytes gathered before they are written. With the default 16 kB a stream took 26 s for what takes 0.9 s with 1 MiB. */
const PENDING_BYTES_MAX = 1024 * 1024;
const PROGRESS_ROWS = 10_000;

export function formatterOptions(run: RunRecord): FormatterOptions {
  const { columns, defuseFormulas } = run.settings;
  return { format: run.format, columns, defuseFormulas };
}

export function toOutputRecord(row: WalkedRow): OutputRecord {
  const { seq, entry, state, lane, resultLine, wireId, errorType, errorMessage, attempts } = row;
  return {
    seq,
    customId: entry.id,
    columns: entry.columns,
    state,
    lane,
    resultLine,
    wireId,
    errorType,
    errorMessage,
    attempts,
  };
}

/** Writes the outputs of a run that were asked for. `permit`: as in `FileWriter.commit`. */
export async function writeOutputs(engine: Engine, run: RunRecord, permit?: () => Promise<void>): Promise<void> {
  const output = run.output === null ? null : new TextFile(await engine.openOutput(run.output));
  let errors: TextFile | null = null;
  const requests = new RequestReader(engine.store, engine.files);
  try {
    errors = run.errors === null ? null : new TextFile(await engine.openOutput(run.errors));
    const lines = await writeRows(engine, run, { output, errors, requests });
    await errors?.commit(permit);
    if (!output || run.output === null) return;
    await output.flush();
    failpoint('output.temp');
    await output.commit(permit);
    failpoint('output.renamed');
    engine.emit({ kind: 'output.written', runId: run.id, path: run.output, lines });
  } catch (error) {
    await output?.abort();
    await errors?.abort();
    throw error;
  } finally {
    await requests.close();
  }
}

interface Targets {
  readonly output: TextFile | null;
  readonly errors: TextFile | null;
  readonly requests: RequestReader;
}

async function writeRows(engine: Engine, run: RunRecord, { output, errors, requests }: Targets): Promise<number> {
  const formatter = engine.formats.formatter(formatterOptions(run));
  const header = formatter.header();
  let lines = 0;
  if (header !== null) await output?.add(header);
  for await (const row of walkRows(engine, run)) {
    const record = toOutputRecord(row);
    const full = output?.add(formatter.format(record));
    if (full) await full;
    if (errors && row.state !== 'succeeded') {
      await errors.add(engine.formats.errorsLine({ ...record, ...(await originalRequest(requests, run, row)) }));
    }
    lines++;
    if (lines % PROGRESS_ROWS === 0) {
      engine.emit({ kind: 'output.progress', runId: run.id, lines, rows: run.totalRows });
    }
  }
  return lines;
}

/** The request of a row as it was sent; of a skipped row, as far as it could be made. */
export async function originalRequest(
  requests: RequestReader,
  run: RunRecord,
  row: WalkedRow,
): Promise<{ readonly paramsJson: string | null; readonly betas: readonly string[] }> {
  if (row.home) return requests.params(run.id, row.home);
  return { paramsJson: row.params === undefined ? null : JSON.stringify(row.params), betas: [] };
}

/** Text in large writes. */
class TextFile {
  readonly #writer: FileWriter;
  readonly #pending = new TextBlock(PENDING_BYTES_MAX);

  constructor(writer: FileWriter) {
    this.#writer = writer;
  }

  /** Gives a promise only when something has to be written now. */
  add(text: string): Promise<void> | undefined {
    if (!this.#pending.hasRoom(text.length)) return this.#addAfterFlush(text);
    this.#pending.append(text);
    return undefined;
  }

  async #addAfterFlush(text: string): Promise<void> {
    await this.flush();
    // A line that is larger than the block goes past it.
    if (this.#pending.hasRoom(text.length)) this.#pending.append(text);
    else await this.#writer.write(Buffer.from(text));
  }

  async flush(): Promise<void> {
    if (this.#pending.length > 0) await this.#writer.write(this.#pending.take());
  }

  async commit(permit?: () => Promise<void>): Promise<void> {
    await this.flush();
    await this.#writer.commit(permit);
  }

  abort(): Promise<void> {
    return this.#writer.abort();
  }
}
