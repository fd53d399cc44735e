/**
 * The judge of the fence: a driver whose epoch is not the newest, or that has let go, must not change a byte of the
 * ledger. The steps of the ledger are synchronous, so what changed while a step was called was changed by it.
 */
import type { DriverStore, Store } from '../../src/domain/store.ts';
import { bound } from './fence.ts';
import type { Machine } from './machine.ts';

export function epochGuard(store: Store, machine: Machine): Store {
  return {
    ...bound(store),
    takeOver: async (holder) => guarded(await store.takeOver(holder), machine),
  };
}

function guarded(driver: DriverStore, machine: Machine): DriverStore {
  const { db } = machine;
  const changes = (): number => db.get<{ n: number }>('SELECT total_changes() AS n')?.n ?? 0;
  const isCurrent = (): boolean => {
    const now = db.get<{ epoch: number; let_go_at_ms: number | null }>('SELECT epoch, let_go_at_ms FROM driver');
    return now?.epoch === driver.epoch && now.let_go_at_ms === null;
  };
  const steps = bound(driver) as unknown as Record<string, unknown>;
  for (const [name, step] of Object.entries(steps)) {
    if (typeof step !== 'function') continue;
    steps[name] = (...given: unknown[]): unknown => {
      if (isCurrent()) return (step as (...given: unknown[]) => unknown)(...given);
      const before = changes();
      const result = (step as (...given: unknown[]) => unknown)(...given);
      if (changes() !== before) machine.violation(`a driver that was fenced wrote to the ledger (${name})`);
      return result;
    };
  }
  return steps as unknown as DriverStore;
}
