/**
 * Proves results in a thread of its own: parsing every line is most of the work of a collect, and meanwhile this thread
 * takes what arrives, writes it, and makes it durable. The thread starts with the first chunk that needs it.
 */
import { Worker } from 'node:worker_threads';
import { BatchrunError } from '../../base/errors.ts';
import { overriddenPrices, type PriceOverrides } from '../../domain/pricing.ts';
import type { ProofOf, ProvedResults, Prover, ResultProof } from '../../engine/collect/result-proof.ts';
import { unpackError, type PackedError } from '../submit/packed-error.ts';

/** What the thread is started with. */
export interface ProverStart {
  readonly prices: PriceOverrides;
}

export type ProverJob =
  | { readonly kind: 'begin'; readonly id: number; readonly chunk: ProofOf }
  | { readonly kind: 'bytes'; readonly id: number; readonly buffer: ArrayBuffer; readonly length: number }
  | { readonly kind: 'end'; readonly id: number }
  | { readonly kind: 'drop'; readonly id: number };

export type ProverAnswer =
  | {
      readonly kind: 'taken';
      readonly id: number;
      readonly buffer: ArrayBuffer;
      readonly useless: boolean;
      readonly lines: number;
    }
  | { readonly kind: 'proved'; readonly id: number; readonly proved: ProvedResults }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PackedError };

/** Bytes on their way to the thread: four blocks of results as they are gathered for writing. */
const BUFFERS = 4;
const BUFFER_BYTES = 1024 * 1024;
/** The thread's young objects live in so many megabytes: lines are parsed, counted and forgotten. */
const YOUNG_MB_MAX = 24;

/** To rest when nothing is proved any more. */
export class ThreadProver implements Prover {
  readonly #proofs = new Map<number, ThreadProof>();
  #free: ArrayBuffer[] = newBuffers();
  readonly #waiting: (() => void)[] = [];
  #worker: Worker | undefined;
  #failure: Error | undefined;
  #nextId = 0;

  begin(chunk: ProofOf): ResultProof {
    const id = this.#nextId++;
    const proof = new ThreadProof({
      post: (job) => this.#post({ ...job, id }),
      buffer: () => this.#buffer(),
      forget: () => void this.#proofs.delete(id),
    });
    this.#proofs.set(id, proof);
    const { runId, chunkNo, rowCount, cutOffs = false, schema } = chunk;
    this.#post({ kind: 'begin', id, chunk: { runId, chunkNo, rowCount, cutOffs, schema } });
    return proof;
  }

  /** Only while no proof is under way. The next one starts the thread again. */
  async rest(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    this.#worker = undefined;
    worker.removeAllListeners();
    // What it still has to say no longer matters, but an error without a listener would end this process.
    worker.on('error', () => undefined);
    await worker.terminate();
    // What was on its way to it does not come back.
    this.#free = newBuffers();
  }

  #post(job: ProverJob): void {
    if (this.#failure) {
      // Nothing is left to be let go of.
      if (job.kind === 'drop') return;
      throw this.#failure;
    }
    this.#worker ??= this.#start();
    this.#worker.postMessage(job, job.kind === 'bytes' ? [job.buffer] : []);
  }

  #start(): Worker {
    const start: ProverStart = { prices: overriddenPrices() };
    const worker = new Worker(new URL('./proving-thread.js', import.meta.url), {
      workerData: start,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB_MAX },
    });
    worker.on('message', (answer: ProverAnswer) => this.#heard(answer));
    worker.on('error', (error: unknown) => this.#failed(error));
    worker.on('messageerror', (error: unknown) => this.#failed(error));
    worker.on('exit', (code) => this.#failed(new Error(`it ended (${code})`)));
    return worker;
  }

  async #buffer(): Promise<ArrayBuffer> {
    for (;;) {
      if (this.#failure) throw this.#failure;
      const buffer = this.#free.pop();
      if (buffer) return buffer;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #heard(answer: ProverAnswer): void {
    const proof = this.#proofs.get(answer.id);
    if (answer.kind === 'failed') {
      // One of ours says something of these results; anything else is a fault of the thread.
      if (answer.error.ours) proof?.fail(unpackError(answer.error));
      else this.#failed(unpackError(answer.error));
      return;
    }
    if (answer.kind === 'proved') {
      proof?.settle(answer.proved);
      return;
    }
    proof?.noteTaken(answer.useless, answer.lines);
    // Whatever was larger is not kept.
    this.#free.push(answer.buffer.byteLength === BUFFER_BYTES ? answer.buffer : new ArrayBuffer(BUFFER_BYTES));
    this.#waiting.shift()?.();
  }

  #failed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#failure ??= new BatchrunError('E_BUG', `the thread that proves results failed: ${why}`, { cause: error });
    for (const proof of this.#proofs.values()) proof.fail(this.#failure);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

function newBuffers(): ArrayBuffer[] {
  return Array.from({ length: BUFFERS }, () => new ArrayBuffer(BUFFER_BYTES));
}

type Job = ProverJob extends infer J ? (J extends ProverJob ? Omit<J, 'id'> : never) : never;

interface ProofParts {
  readonly post: (job: Exclude<Job, { readonly kind: 'begin' }>) => void;
  readonly buffer: () => Promise<ArrayBuffer>;
  readonly forget: () => void;
}

class ThreadProof implements ResultProof {
  readonly #parts: ProofParts;
  readonly #proved: Promise<ProvedResults>;
  #settle: (proved: ProvedResults) => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;
  #useless = false;
  #lines = 0;

  constructor(parts: ProofParts) {
    this.#parts = parts;
    this.#proved = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    // It is met by `end`; a proof that is dropped before has nobody who would meet it.
    this.#proved.catch(() => undefined);
  }

  get lines(): number {
    return this.#lines;
  }

  async take(bytes: Buffer): Promise<boolean> {
    const free = await this.#parts.buffer();
    const buffer = bytes.length <= free.byteLength ? free : new ArrayBuffer(bytes.length);
    new Uint8Array(buffer).set(bytes);
    this.#parts.post({ kind: 'bytes', buffer, length: bytes.length });
    // What is known by now: the thread may be some blocks behind.
    return this.#useless;
  }

  end(): Promise<ProvedResults> {
    this.#parts.post({ kind: 'end' });
    return this.#proved;
  }

  drop(): void {
    this.#parts.post({ kind: 'drop' });
    this.#parts.forget();
  }

  noteTaken(useless: boolean, lines: number): void {
    this.#useless ||= useless;
    this.#lines = lines;
  }

  settle(proved: ProvedResults): void {
    this.#settle(proved);
  }

  fail(error: Error): void {
    this.#useless = true;
    this.#fail(error);
  }
}
