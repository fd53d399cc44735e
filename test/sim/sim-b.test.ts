/**
 * The other half of the seeds of sim.test.ts, in a process of its own.
 */
import { describeSeeds } from './seeds.ts';

describeSeeds(1);
