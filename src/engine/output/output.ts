/**
 * Writes what became of a run: the output in input order, and the rows that did not succeed with their requests. Both
 * under a temporary name until they are whole; what stands under the real name is the old file or the new one.
 */
import { failpoint } from '../../base/failpoint.ts';
import { BlockPair } from '../../base/text-block.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { FormatterOptions, OutputRecord, RecordFormatter } from '../../domain/output-record.ts';
import type { FileWriter } from '../../domain/ports.ts';
import { answerColumns } from '../../domain/schema/answer-columns.ts';
import type { Engine } from '../engine.ts';
import { RequestReader } from '../retry/requests.ts';
import { Walk } from './walk.ts';
import type { WalkedRow } from './walked-row.ts';

/** Bytes gathered before they are written. With the default 16 kB a stream took 26 s for what takes 0.9 s with 1 MiB. */
const PENDING_BYTES_MAX = 1024 * 1024;
const PROGRESS_ROWS = 10_000;

export function formatterOptions(run: RunRecord): FormatterOptions {
  const { columns, defuseFormulas, schema } = run.settings;
  const answer = schema && answerColumns(schema.schema);
  return { format: run.format, columns, defuseFormulas, answer };
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
  const walk = new Walk(engine, run);
  try {
    for (;;) {
      const next = walk.next();
      const row = next instanceof Promise ? await next : next;
      if (row === null) return lines;
      const full = output?.addRow(formatter, row);
      if (full) await full;
      if (errors && row.state !== 'succeeded') {
        const request = await originalRequest(requests, run, row);
        await errors.add(engine.formats.errorsLine({ ...toOutputRecord(row), ...request }));
      }
      lines++;
      if (lines % PROGRESS_ROWS === 0) {
        engine.emit({ kind: 'output.progress', runId: run.id, lines, rows: run.totalRows });
      }
    }
  } finally {
    await walk.close();
  }
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

/** Text in large writes: while one block is being written, the other is filled. */
class TextFile {
  readonly #writer: FileWriter;
  readonly #blocks = new BlockPair(PENDING_BYTES_MAX);
  #writing: Promise<void> = Promise.resolve();

  constructor(writer: FileWriter) {
    this.#writer = writer;
  }

  /** Gives a promise only when something has to be written now. */
  addRow(formatter: RecordFormatter, row: WalkedRow): Promise<void> | undefined {
    const { idJson, resultLine, wireId } = row;
    const block = this.#blocks.current;
    if (idJson && resultLine && wireId !== null && formatter.appendRaw?.({ idJson, resultLine, wireId }, block)) {
      return undefined;
    }
    return this.add(formatter.format(toOutputRecord(row)));
  }

  add(text: string): Promise<void> | undefined {
    if (!this.#blocks.current.hasRoom(text.length)) return this.#addAfterFlush(text);
    this.#blocks.current.append(text);
    return undefined;
  }

  async #addAfterFlush(text: string): Promise<void> {
    await this.#flush();
    if (this.#blocks.current.hasRoom(text.length)) {
      this.#blocks.current.append(text);
      return;
    }
    // A line that is larger than the block goes past it.
    await this.#writing;
    await this.#writer.write(Buffer.from(text));
  }

  /** Begins to write what was gathered, once what was begun before is written. */
  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#blocks.current.length === 0) return;
    this.#writing = this.#writer.write(this.#blocks.take());
    // It is met where it is waited for; this only keeps it from counting as unhandled until then.
    this.#writing.catch(() => undefined);
  }

  /** Everything that was added is written. */
  async flush(): Promise<void> {
    await this.#flush();
    await this.#writing;
  }

  async commit(permit?: () => Promise<void>): Promise<void> {
    await this.flush();
    await this.#writer.commit(permit);
  }

  async abort(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#writer.abort();
  }
}
