/**
 * Failpoints: nothing without an arm, every one by name with it, and nothing again afterwards.
 */
import { afterEach, expect, test } from 'vitest';
import { armFailpoints, failpoint, FAILPOINTS, type FailpointName } from '../../../src/base/failpoint.ts';

const NAMES = Object.keys(FAILPOINTS) as FailpointName[];

afterEach(() => armFailpoints(undefined));

test('an unarmed failpoint does nothing', () => {
  for (const name of NAMES) failpoint(name);
});

test('an armed one is told its name, each time, until it is disarmed', () => {
  const hit: string[] = [];
  armFailpoints((name) => hit.push(name));
  for (const name of [...NAMES, ...NAMES]) failpoint(name);
  armFailpoints(undefined);
  for (const name of NAMES) failpoint(name);
  expect(hit).toEqual([...NAMES, ...NAMES]);
});

test('what the action throws comes out where the failpoint stands', () => {
  armFailpoints(() => {
    throw new Error('died here');
  });
  expect(() => failpoint('submit.attempt')).toThrow('died here');
});

test('each says what is durable and what is not yet', () => {
  for (const name of NAMES) {
    expect(name).toMatch(/^[a-z]+\.[a-z_]+$/);
    expect(FAILPOINTS[name].split(';')).toHaveLength(2);
  }
});
