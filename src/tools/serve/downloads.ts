/**
 * Files that a browser saves: the output as it was written, or the results as they are now in any format, or the rows that
 * did not succeed. A browser that saves a file sends no token, so each download has a ticket: it is good once and for a
 * minute.
 */
import { BatchrunError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { OutputFormat, RunRecord } from '../../domain/model.ts';
import { OPEN_ROW_STATES } from '../../domain/transitions.ts';
import type { WebAnswer } from '../../domain/web.ts';
import { formatterOptions, originalRequest, toOutputRecord } from '../../engine/output/output.ts';
import { RequestReader } from '../../engine/retry/requests.ts';
import { walkRows } from '../../engine/output/walk.ts';
import { openRun, type OpenedRun, type ServeState } from './state.ts';

const DOWNLOADS = ['output', 'results', 'errors'] as const;
export type Download = (typeof DOWNLOADS)[number];
const FORMATS: readonly OutputFormat[] = ['jsonl', 'flat', 'csv'];

interface Ticket {
  readonly run: string;
  readonly what: Download;
  readonly format: OutputFormat | null;
  readonly untilMs: number;
}

const TICKET_MS = 60_000;
const TICKETS_MAX = 100;
const PIECE_CHARS = 256 * 1024;

export class Downloads {
  readonly #state: ServeState;
  readonly #clock: Clock;
  readonly #draw: () => string;
  readonly #tickets = new Map<string, Ticket>();

  /** `draw`: a name that nobody can guess. */
  constructor(state: ServeState, clock: Clock, draw: () => string) {
    this.#state = state;
    this.#clock = clock;
    this.#draw = draw;
  }

  /** Gives the ticket. */
  ask(run: string, what: unknown, format: unknown): string {
    const kind = DOWNLOADS.find((one) => one === what);
    const wanted = FORMATS.find((one) => one === format) ?? null;
    if (!kind || (format !== undefined && format !== null && wanted === null)) {
      throw new BatchrunError('E_USAGE', `there is no such download; there are ${DOWNLOADS.join(', ')}`);
    }
    const [oldest] = this.#tickets.keys();
    if (oldest !== undefined && this.#tickets.size >= TICKETS_MAX) this.#tickets.delete(oldest);
    const ticket = this.#draw();
    this.#tickets.set(ticket, { run, what: kind, format: wanted, untilMs: this.#clock.monotonicMs() + TICKET_MS });
    return ticket;
  }

  /** Null where it is used, over or never was. */
  async take(name: string): Promise<WebAnswer | null> {
    const ticket = this.#tickets.get(name);
    this.#tickets.delete(name);
    if (!ticket || ticket.untilMs < this.#clock.monotonicMs()) return null;
    const opened = await openRun(this.#state, ticket.run);
    return this.#file(opened, ticket);
  }

  /** Which files there are to save. The output of a run that is not done is that of an earlier try. */
  async offers({ run }: OpenedRun): Promise<Record<Download, string | null>> {
    return {
      output: await this.#written(run, run.output),
      results: run.totalRows > 0 ? nameOf(run, extensionOf(run.format)) : null,
      errors: nameOf(run, 'errors.jsonl'),
    };
  }

  async #written(run: RunRecord, path: string | null): Promise<string | null> {
    if (path === null || path === '-' || run.state !== 'done') return null;
    return (await this.#state.files.size(path)) === null ? null : (path.split(/[\\/]/).at(-1) ?? null);
  }

  async #file(opened: OpenedRun, { what, format }: Ticket): Promise<WebAnswer> {
    const { run } = opened;
    const { files } = this.#state;
    if (what === 'output') {
      const name = await this.#written(run, run.output);
      if (name === null || run.output === null) {
        const hint = 'Take the results as they are now instead.';
        throw new BatchrunError('E_USAGE', `the output of ${run.id} is not written yet, or was moved`, { hint });
      }
      return { kind: 'file', name, type: typeOf(run.format), pieces: files.stream(run.output) };
    }
    if (what === 'errors') {
      const name = nameOf(run, 'errors.jsonl');
      return { kind: 'file', name, type: typeOf('jsonl'), pieces: inPieces(this.#errorLines(opened)) };
    }
    const as = format ?? run.format;
    return {
      kind: 'file',
      name: nameOf(run, extensionOf(as)),
      type: typeOf(as),
      pieces: inPieces(this.#results(opened, as)),
    };
  }

  /** Rows that have an outcome, as `batchrun results` prints them. */
  async *#results({ ledger, run }: OpenedRun, format: OutputFormat): AsyncGenerator<string> {
    const formatter = this.#state.formats.formatter({ ...formatterOptions(run), format });
    yield formatter.header() ?? '';
    for await (const row of walkRows({ store: ledger, files: this.#state.files }, run)) {
      if (!OPEN_ROW_STATES.includes(row.state)) yield formatter.format(toOutputRecord(row));
    }
  }

  /** As the file of --errors has them: they can be submitted again. */
  async *#errorLines({ ledger, run }: OpenedRun): AsyncGenerator<string> {
    const { files, formats } = this.#state;
    const requests = new RequestReader(ledger, files);
    try {
      for await (const row of walkRows({ store: ledger, files }, run)) {
        if (row.state === 'succeeded' || OPEN_ROW_STATES.includes(row.state)) continue;
        yield formats.errorsLine({ ...toOutputRecord(row), ...(await originalRequest(requests, run, row)) });
      }
    } finally {
      await requests.close();
    }
  }
}

async function* inPieces(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let piece = '';
  for await (const line of lines) {
    piece += line;
    if (piece.length < PIECE_CHARS) continue;
    yield piece;
    piece = '';
  }
  yield piece;
}

function nameOf(run: RunRecord, extension: string): string {
  return `${run.name ?? run.id}.${extension}`;
}

function extensionOf(format: OutputFormat): string {
  return format === 'csv' ? 'results.csv' : 'results.jsonl';
}

function typeOf(format: OutputFormat): string {
  return format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson; charset=utf-8';
}
