/** The limiter of one process, on the virtual clock. */
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import { createLocalLimiter } from '../../src/domain/pacing/local-limiter.ts';
import { limiterSuite } from './limiter.suite.ts';

limiterSuite('of one process', () => {
  const clock = new VirtualClock();
  return Promise.resolve({ limiter: createLocalLimiter(clock), advance: (ms) => clock.advance(ms) });
});
