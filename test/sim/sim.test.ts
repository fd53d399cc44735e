/**
 * The promises P1 to P3 and P5 under every fault at once, many times: the real engine, ledger, formatter and API client
 * against the simulated API, under a virtual clock. A seed is a bug report: `SIM_SEED=n npm run test:sim` replays it. The
 * other half of the seeds is in sim-b.test.ts.
 */
import { describeSeeds } from './seeds.ts';

describeSeeds(0);
