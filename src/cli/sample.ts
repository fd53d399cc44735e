/**
 * `batchrun sample <input...>`: some rows of an input as they are, drawn by a seed, in one pass and the order of the
 * input. A CSV keeps its header and its quotes, JSON Lines every byte; of a JSON array lines of JSON come out.
 */
import { resolve } from 'node:path';
import { BatchrunError } from '../base/errors.ts';
import { chance, seededRng, type Rng } from '../base/random.ts';
import { formatCount, plural } from '../base/units.ts';
import type { RawRows } from '../domain/source.ts';
import type { FileWriter } from '../domain/ports.ts';
import { Reservoir } from '../tools/sample/reservoir.ts';
import type { Context } from './context.ts';
import { filesIn, openRaw } from './context-files.ts';
import { EXIT } from './drive/outcome.ts';
import { checkOutputs } from './files/output-path.ts';
import { absoluteInputs } from './submit/prepare.ts';

const ROWS_DEFAULT = 10;
const SEED_DEFAULT = 1;
const PENDING_BYTES_MAX = 256 * 1024;

/** Where the rows go, as it was typed: an output of the configuration file is where results go. */
export interface SampleTarget {
  readonly output: string | undefined;
  readonly overwrite: boolean;
}

export async function runSample(context: Context, inputs: readonly string[], target: SampleTarget): Promise<number> {
  const { flags, terminal } = context;
  const output = target.output === undefined || target.output === '-' ? null : resolve(target.output);
  const choice = { output, format: 'jsonl', errors: null, overwrite: target.overwrite } as const;
  checkOutputs({ choice, inputs: absoluteInputs(inputs), runId: null, runs: [] });
  const opened: RawRows[] = [];
  for (const input of inputs) opened.push(await openRaw(input, flags));
  assertSameShape(inputs, opened);
  const writer = output === null ? null : await (await filesIn('.')).create(output);
  try {
    const out = new Out(context, writer);
    const [first] = opened;
    if (first?.header) await out.write(first.header, first.lineEnd);
    const read = await draw(context, { opened, out });
    await out.flush();
    await writer?.commit();
    if (flags.quiet !== true && !terminal.unread) terminal.talk(summary(out.rows, { read, opened, output }));
    return EXIT.ok;
  } catch (error) {
    await writer?.abort();
    throw error;
  }
}

/** One header stands for all rows below it. */
function assertSameShape(inputs: readonly string[], opened: readonly RawRows[]): void {
  const [first] = opened;
  opened.forEach((one, at) => {
    const sameHeader = one.header === null ? first?.header === null : first?.header?.equals(one.header) === true;
    // A last line without its line break, or one with a carriage return, is no other header.
    if (sameHeader || trimmed(one.header) === trimmed(first?.header ?? null)) return;
    throw new BatchrunError('E_USAGE', `${inputs[at] ?? ''} has other columns than ${inputs[0] ?? ''}`, {
      hint: 'Draw from each of them by itself.',
    });
  });
}

function trimmed(header: Buffer | null): string | null {
  return header === null ? null : header.toString().trim();
}

interface Draw {
  readonly opened: readonly RawRows[];
  readonly out: Out;
}

/** Gives how many rows there were. */
async function draw({ flags, terminal, signal }: Context, { opened, out }: Draw): Promise<number> {
  const rng: Rng = seededRng(flags.seed ?? SEED_DEFAULT);
  const share = flags.sample ?? 1;
  // A share alone goes out as it comes; a number of rows is known only at the end.
  const size = flags.limit ?? (flags.sample === undefined ? ROWS_DEFAULT : null);
  const held = size === null ? null : new Reservoir<{ row: Buffer; lineEnd: string }>(size, rng);
  let read = 0;
  for (const { rows, lineEnd } of opened.map((one) => ({ rows: one.rows(), lineEnd: one.lineEnd }))) {
    for await (const batch of rows) {
      if (signal.aborted) throw new BatchrunError('E_NOT_FINISHED', 'interrupted: nothing was written');
      if (terminal.unread) return read;
      for (const row of batch) {
        read++;
        if (share < 1 && !chance(rng, share)) continue;
        if (held) held.offer(() => ({ row: Buffer.from(row), lineEnd }));
        else await out.writeRow(row, lineEnd);
      }
    }
  }
  for (const { row, lineEnd } of held?.items() ?? []) await out.writeRow(row, lineEnd);
  return read;
}

/** To a file, or to stdout. */
class Out {
  readonly #context: Context;
  readonly #writer: FileWriter | null;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  rows = 0;

  constructor(context: Context, writer: FileWriter | null) {
    this.#context = context;
    this.#writer = writer;
  }

  async writeRow(row: Buffer, lineEnd: string): Promise<void> {
    this.rows++;
    await this.write(row, lineEnd);
  }

  async write(line: Buffer, lineEnd: string): Promise<void> {
    // A copy: the bytes of a row are good only until the next ones are read.
    this.#pending.push(Buffer.from(line), Buffer.from(lineEnd));
    this.#pendingBytes += line.length + 1;
    if (this.#pendingBytes > PENDING_BYTES_MAX) await this.flush();
  }

  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    if (bytes.length === 0) return;
    if (this.#writer) await this.#writer.write(bytes);
    else await this.#context.terminal.data(bytes);
  }
}

function summary(
  rows: number,
  {
    read,
    opened,
    output,
  }: { readonly read: number; readonly opened: readonly RawRows[]; readonly output: string | null },
): string {
  const where = output === null ? '' : ` to ${output}`;
  const lines = opened.some(({ format }) => format === 'json') ? ', elements of the array as JSON Lines' : '';
  return `${formatCount(rows)} of ${plural(read, 'row')}${where}${lines}`;
}
