/**
 * What every `BatchApi` promises the engine: one call makes at most one request, the last bytes of a create wait for
 * `beforeTail`, results come as bytes, and each failure says what the router needs to know. Driven against the simulated
 * API, over a socket and in memory, so that neither the client nor the simulator can drift from the other.
 */
import { batchApiBatchesSuite } from './batch-api-batches.suite.ts';
import { batchApiCreatesSuite } from './batch-api-creates.suite.ts';
import { batchApiMessagesSuite } from './batch-api-messages.suite.ts';
import type { Connect } from './batch-api.lab.ts';

export function batchApiSuite(name: string, connect: Connect): void {
  batchApiCreatesSuite(name, connect);
  batchApiBatchesSuite(name, connect);
  batchApiMessagesSuite(name, connect);
}
