/**
 * Reads many small ranges of a file with few large reads: rows lie in order, so one window serves thousands of them.
 * A file up to WHOLE_BYTES is read at once, because result files come in any order.
 */
import type { FileReader, Files } from '../../domain/ports.ts';

const WINDOW_BYTES = 1024 * 1024;
const WHOLE_BYTES = 16 * 1024 * 1024;

/** Sizes of windows, so that the memory of one file serves the next one, which is about as large. */
const MEMORY_STEP_BYTES = 1024 * 1024;

export class WindowReader {
  readonly #reader: FileReader;
  #memory: Buffer;
  #window: Buffer = Buffer.alloc(0);
  #start = 0;

  private constructor(reader: FileReader, memory: Buffer) {
    this.#reader = reader;
    this.#memory = memory;
  }

  /** `memory`: that of a reader that was closed. */
  static async open(files: Files, path: string, memory: Buffer = Buffer.alloc(0)): Promise<WindowReader> {
    return new WindowReader(await files.open(path), memory);
  }

  /** The bytes, as a slice that is valid until the next read. */
  read(offset: number, length: number): Buffer | Promise<Buffer> {
    const at = offset - this.#start;
    if (at >= 0 && at + length <= this.#window.length) return this.#window.subarray(at, at + length);
    return this.#load(offset, length);
  }

  /** Gives its memory, to be used again. */
  async close(): Promise<Buffer> {
    this.#window = Buffer.alloc(0);
    await this.#reader.close();
    return this.#memory;
  }

  async #load(offset: number, length: number): Promise<Buffer> {
    const { bytes } = this.#reader;
    const whole = bytes <= WHOLE_BYTES;
    const start = whole ? 0 : offset;
    const wanted = whole ? bytes : Math.min(Math.max(length, WINDOW_BYTES), bytes - offset);
    const size = Math.max(wanted, whole ? offset + length : length);
    // What is read into this memory is no window any more.
    this.#window = Buffer.alloc(0);
    if (this.#memory.length < size) {
      this.#memory = Buffer.allocUnsafeSlow(Math.ceil(size / MEMORY_STEP_BYTES) * MEMORY_STEP_BYTES);
    }
    this.#window = await this.#reader.read(start, size, this.#memory);
    this.#start = start;
    return this.#window.subarray(offset - start, offset - start + length);
  }
}

/** Windows on several files, the oldest given up when there are many. */
export class WindowCache {
  readonly #files: Files;
  readonly #kept = new Map<string, WindowReader>();
  readonly #max: number;

  constructor(files: Files, max: number) {
    this.#files = files;
    this.#max = max;
  }

  async get(path: string): Promise<WindowReader> {
    const known = this.#kept.get(path);
    if (known) return known;
    const [oldest] = this.#kept;
    if (this.#kept.size >= this.#max && oldest) {
      this.#kept.delete(oldest[0]);
      await oldest[1].close();
    }
    const fresh = await WindowReader.open(this.#files, path);
    this.#kept.set(path, fresh);
    return fresh;
  }

  async close(): Promise<void> {
    for (const reader of this.#kept.values()) await reader.close();
    this.#kept.clear();
  }
}
