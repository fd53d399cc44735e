/**
 * What stands between an incarnation and the world: once it has died, every port that it was given throws for ever.
 * Promises of a dead process may still run a few steps; without the fence such a zombie could write.
 */
import type { BatchApi, Files, Locks } from '../../src/domain/ports.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';

/** Thrown at the failpoint where an incarnation dies, and by each of its ports from then on. */
export class Crash extends Error {
  constructor(where: string) {
    super(`this process has crashed (${where})`);
    this.name = 'Crash';
  }
}

/** One life of the process. */
export class Life {
  readonly died: Promise<void>;
  #where: string | null = null;
  #onDeath: () => void = () => undefined;

  constructor() {
    this.died = new Promise((resolve) => (this.#onDeath = resolve));
  }

  get dead(): boolean {
    return this.#where !== null;
  }

  die(where: string): void {
    if (this.#where !== null) return;
    this.#where = where;
    this.#onDeath();
  }

  /** Throws when this life is over. */
  readonly alive = (): void => {
    if (this.#where !== null) throw new Crash(this.#where);
  };
}

/** The same object, whose methods throw once `alive` does. */
export function fenced<T extends object>(target: T, alive: () => void): T {
  return new Proxy(target, {
    get(inner, key) {
      const value: unknown = Reflect.get(inner, key, inner);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]): unknown => {
        alive();
        return Reflect.apply(value as (...given: unknown[]) => unknown, inner, given);
      };
    },
  });
}

export function fencedStore(store: Store, alive: () => void): Store {
  const outer = fenced(store, alive);
  return {
    ...bound(outer, store),
    takeOver: async (holder): Promise<DriverStore> => fenced(await outer.takeOver(holder), alive),
  };
}

/** A plain object with the methods of the outer one, so that single methods can be replaced. */
export function bound<T extends object>(outer: T, keysOf: object = outer): T {
  return Object.fromEntries(Object.keys(keysOf).map((key) => [key, Reflect.get(outer, key)])) as T;
}

export function fencedApi(api: BatchApi, alive: () => void): BatchApi {
  return fenced(api, alive);
}

export function fencedFiles(files: Files, alive: () => void): Files {
  return fenced(files, alive);
}

/** Locks that a process loses when it dies. */
export class MemoryLocks {
  readonly #held = new Map<string, Life>();

  port(life: Life): Locks {
    return {
      tryAcquire: async (path) => {
        life.alive();
        const holder = this.#held.get(path);
        if (holder && !holder.dead) return null;
        this.#held.set(path, life);
        return {
          release: async () => {
            if (this.#held.get(path) === life) this.#held.delete(path);
          },
        };
      },
    };
  }
}
