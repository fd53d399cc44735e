/**
 * What stands between an incarnation and the world: once it has died, every port that it was given throws for ever.
 * Promises of a dead process may still run a few steps; without the fence such a zombie could write.
 */
import type { Locks } from '../../src/domain/ports.ts';
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
  /** Another process has the lock that this one believes to hold. */
  lostLock = false;
  #frozen: Promise<void> | null = null;
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

  /** It stands still until then: a machine that sleeps, a process that was stopped. It does not notice. */
  freeze(until: Promise<void>): void {
    const frozen = until.then(() => {
      if (this.#frozen === frozen) this.#frozen = null;
    });
    this.#frozen = frozen;
  }

  /** When it goes on; null while it does. */
  get frozen(): Promise<void> | null {
    return this.#frozen;
  }

  /** Throws when this life is over. */
  readonly alive = (): void => {
    if (this.#where !== null) throw new Crash(this.#where);
  };
}

/** What answers at once and not with a promise: it cannot wait. */
const SYNCHRONOUS: ReadonlySet<PropertyKey> = new Set(['locate', 'stream', 'streamResults']);

/** What the fence asks before each call. */
export interface Fence {
  /** Throws when the process is dead. */
  readonly alive: () => void;
  /** When a process that stands still goes on; null while it moves. */
  readonly frozen: Promise<void> | null;
}

/** The same object, whose methods throw once the process is dead, and wait while it stands still. */
export function fenced<T extends object>(target: T, fence: Fence): T {
  return new Proxy(target, {
    get(inner, key) {
      const value: unknown = Reflect.get(inner, key, inner);
      if (typeof value !== 'function') return value;
      const call = (given: unknown[]): unknown => {
        fence.alive();
        return Reflect.apply(value as (...given: unknown[]) => unknown, inner, given);
      };
      return (...given: unknown[]): unknown => {
        const { frozen } = fence;
        return frozen === null || SYNCHRONOUS.has(key) ? call(given) : frozen.then(() => call(given));
      };
    },
  });
}

export function fencedStore(store: Store, fence: Fence): Store {
  const outer = fenced(store, fence);
  return {
    ...bound(outer, store),
    takeOver: async (holder): Promise<DriverStore> => fenced(await outer.takeOver(holder), fence),
  };
}

/** A plain object with the methods of the outer one, so that single methods can be replaced. */
export function bound<T extends object>(outer: T, keysOf: object = outer): T {
  return Object.fromEntries(Object.keys(keysOf).map((key) => [key, Reflect.get(outer, key)])) as T;
}

interface Hold {
  readonly life: Life;
}

/** Locks that a process loses when it dies, and that can be taken from it as on a network file system. */
export class MemoryLocks {
  readonly #held = new Map<string, Hold>();

  port(life: Life): Locks {
    return {
      tryAcquire: async (path) => {
        life.alive();
        const holder = this.#held.get(path);
        if (holder && !holder.life.dead) return null;
        const hold: Hold = { life };
        this.#held.set(path, hold);
        return {
          release: async () => {
            if (this.#held.get(path) === hold) this.#held.delete(path);
          },
        };
      },
    };
  }

  /** The holder believes that it still has the lock. Gives it; null where nobody alive holds it. */
  lose(path: string): Life | null {
    const hold = this.#held.get(path);
    if (!hold || hold.life.dead) return null;
    hold.life.lostLock = true;
    this.#held.delete(path);
    return hold.life;
  }
}
