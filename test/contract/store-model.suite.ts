/**
 * The store against the plain model, among the other suites.
 */
import { describe } from 'vitest';
import type { OpenStore } from './store.bench.ts';
import { modelTest, type StoreModelOptions } from './store.model.ts';

export function storeModelSuite(name: string, open: OpenStore, options: StoreModelOptions): void {
  describe(`store: ${name}`, () => {
    modelTest(open, options);
  });
}
