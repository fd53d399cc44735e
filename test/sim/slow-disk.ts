/**
 * A disk that takes its time: what runs beside a read or a write gets its turn in between.
 */
import type { Clock } from '../../src/base/clock.ts';
import type { Rng } from '../../src/base/random.ts';
import type { Files } from '../../src/domain/ports.ts';

export function slowly(files: Files, clock: Clock, { rng, msMax }: { rng: Rng; msMax: number }): Files {
  if (msMax === 0) return files;
  const pause = (): Promise<void> => clock.sleep(Math.floor(rng.next() * msMax));
  return {
    ...files,
    create: async (path) => {
      await pause();
      return files.create(path);
    },
    open: async (path) => {
      await pause();
      const reader = await files.open(path);
      return {
        bytes: reader.bytes,
        close: () => reader.close(),
        read: async (offset, length) => {
          await pause();
          return reader.read(offset, length);
        },
      };
    },
  };
}
