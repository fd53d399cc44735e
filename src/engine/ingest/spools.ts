/**
 * Where --shuffle puts rows aside that do not fit into memory: a folder in the state for one reading, with a lock beside it
 * that the system frees when its process dies. Prompts are in there, so whoever comes next clears away what nobody holds.
 */
import { invariant } from '../../base/errors.ts';
import type { Rng } from '../../base/random.ts';
import { paths } from '../../domain/ids.ts';
import type { AppendLog, Files, Locks } from '../../domain/ports.ts';
import type { Spool } from '../../domain/row/shuffle.ts';

export interface SpoolParts {
  readonly files: Files;
  readonly locks: Locks;
  readonly rng: Rng;
}

/** A spool that is made when it is first needed. */
export class OwnSpool {
  readonly #parts: SpoolParts;
  readonly #id: string;
  readonly #sizes = new Map<string, number>();
  #release: (() => Promise<void>) | undefined;

  constructor(parts: SpoolParts) {
    this.#parts = parts;
    this.#id = Array.from({ length: 12 }, () => Math.floor(parts.rng.next() * 36).toString(36)).join('');
  }

  open = async (): Promise<Spool> => {
    const { files, locks } = this.#parts;
    // Before the first file is there, so that no sweep comes between.
    const lock = await locks.tryAcquire(paths.spoolLock(this.#id));
    invariant(lock, 'nobody else has the name of a new spool');
    this.#release = () => lock.release();
    const pathOf = (bucket: string): string => `${paths.spool(this.#id)}/${bucket}`;
    return {
      append: (bucket, text) => this.#append(pathOf(bucket), bucket, text),
      size: (bucket) => this.#sizes.get(bucket) ?? 0,
      stream: (bucket) => files.stream(pathOf(bucket), 0, this.#sizes.get(bucket) ?? 0),
      remove: async (bucket) => {
        this.#sizes.delete(bucket);
        await files.remove(pathOf(bucket));
      },
    };
  };

  /** Its files are gone after this. */
  async close(): Promise<void> {
    if (!this.#release) return;
    await this.#parts.files.removeFolder(paths.spool(this.#id));
    await this.#parts.files.remove(paths.spoolLock(this.#id));
    await this.letGo();
  }

  /** As when its process dies: the lock goes, the files stay. */
  async letGo(): Promise<void> {
    await this.#release?.();
    this.#release = undefined;
  }

  async #append(path: string, bucket: string, text: string): Promise<void> {
    const log: AppendLog = await this.#parts.files.openAppend(path, this.#sizes.get(bucket) ?? 0);
    try {
      await log.append(Buffer.from(text));
      this.#sizes.set(bucket, log.bytes);
    } finally {
      await log.close();
    }
  }
}

/** Clears away what processes left that died while they were reading. */
export async function sweepSpools({ files, locks }: Pick<SpoolParts, 'files' | 'locks'>): Promise<void> {
  const ids = new Set((await files.list(paths.spools)).map((name) => name.replace(/\.db(-\w+)?$/, '')));
  for (const id of ids) {
    const lock = await locks.tryAcquire(paths.spoolLock(id));
    if (!lock) continue;
    await files.removeFolder(paths.spool(id));
    await files.remove(paths.spoolLock(id));
    await lock.release();
  }
}
