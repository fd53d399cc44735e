/**
 * What every `Store` promises: each step moves exactly what it says, in one transaction, keeps the counters right,
 * leaves an event, and refuses what does not fit without changing anything. The ledger is checked after every step.
 */
import { storeBatchesSuite } from './store-batches.suite.ts';
import { storeCacheSuite } from './store-cache.suite.ts';
import { storeCopiesSuite } from './store-copies.suite.ts';
import { storeCreatesSuite } from './store-creates.suite.ts';
import { storeDriverSuite } from './store-driver.suite.ts';
import { storeIngestSuite } from './store-ingest.suite.ts';
import { storeModelSuite } from './store-model.suite.ts';
import { storeOutcomesSuite } from './store-outcomes.suite.ts';
import { storeReadingSuite } from './store-reading.suite.ts';
import type { OpenStore } from './store.bench.ts';
import type { StoreModelOptions } from './store.model.ts';

export function storeSuite(name: string, open: OpenStore, options: StoreModelOptions): void {
  storeIngestSuite(name, open);
  storeDriverSuite(name, open);
  storeCreatesSuite(name, open);
  storeBatchesSuite(name, open);
  storeOutcomesSuite(name, open);
  storeCacheSuite(name, open);
  storeCopiesSuite(name, open);
  storeReadingSuite(name, open);
  storeModelSuite(name, open, options);
}
