/**
 * The thread of the simulator that `batchrun loadtest` tests by default: with its own event loop, so that what answers
 * and what measures do not stand in each other's way.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../base/clock.ts';
import type { SimOptions } from '../../tools/sim/options.ts';
import { startSimServer } from '../../tools/sim/server.ts';
import { createSimWorld } from '../../tools/sim/world.ts';

const server = await startSimServer(createSimWorld(workerData as SimOptions, systemClock), { port: 0 });
parentPort?.postMessage(server.origin);
