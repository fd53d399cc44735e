/** The flags of `batchrun sim` that set limits, as the simulated world is given them. */
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { addSimFlags, type SimFlags } from '../../../../src/cli/flags/sim-flags.ts';
import { simOptions } from '../../../../src/cli/sim.ts';
import type { SimOptions } from '../../../../src/tools/sim/options.ts';

function optionsOf(...args: string[]): SimOptions {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  addSimFlags(command);
  return simOptions(command.parse(args, { from: 'user' }).opts<SimFlags>());
}

describe('batchrun sim', () => {
  test('without flags it is the tier’s limits, told as the API tells them', () => {
    const { limits, switches, keys, adminKeys } = optionsOf();
    expect({ limits, keys, adminKeys }).toEqual({
      limits: { messages: {}, messagesFable: {} },
      keys: {},
      adminKeys: {},
    });
    expect(switches).toMatchObject({ rateHeaders: 'anthropic', burstMs: null, rampPerMinute: null });
  });

  test('limits are those that were given, for every class', () => {
    const given = ['--rpm', '60', '--itpm', '9000', '--otpm', '800', '--tpm', '9500', '--tpd', '10000'];
    const { limits } = optionsOf(...given, '--batch-rpm', '50', '--queue', '300', '--max-batches', '4');
    const messages = { rpm: 60, itpm: 9_000, otpm: 800, tpm: 9_500, tpd: 10_000 };
    expect(limits).toEqual({ messages, messagesFable: messages, batchRpm: 50, batchQueueMax: 300, batchesMax: 4 });
  });

  test('how they are enforced and told', () => {
    const { switches } = optionsOf('--burst', '1s', '--ramp', '1.5', '--rate-headers', 'proxy', '--batch-rate-headers');
    expect(switches).toEqual({ burstMs: 1_000, rampPerMinute: 1.5, rateHeaders: 'proxy', rateHeadersOnBatches: true });
  });

  test('strange keys are refused, and the account is in trouble, only where it is asked for', () => {
    expect(optionsOf()).toMatchObject({ strictKeys: false });
    expect(optionsOf()).not.toHaveProperty('accountProblem');
    const { strictKeys, accountProblem } = optionsOf('--strict-keys', '--account-problem', 'spend_limit');
    expect({ strictKeys, accountProblem }).toEqual({ strictKeys: true, accountProblem: 'spend_limit' });
    expect(() => optionsOf('--account-problem', 'hunger')).toThrow(/credit_too_low/);
  });

  test('keys and whose they are', () => {
    const { keys, adminKeys } = optionsOf(
      ...['--key', 'k1=org-a', '--key', 'k2=org-a/w2', '--key', 'k3'],
      ...['--admin-key', 'sk-ant-admin01-x', '--admin-key', 'y=org-a'],
    );
    expect(keys).toEqual({
      k1: { organization: 'org-a', workspace: 'wrkspc_default' },
      k2: { organization: 'org-a', workspace: 'w2' },
      k3: { workspace: 'wrkspc_default' },
    });
    expect(adminKeys).toEqual({ 'sk-ant-admin01-x': '00000000-0000-4000-8000-000000000001', y: 'org-a' });
  });

  test.each([
    ['--ramp', '1'],
    ['--ramp', 'fast'],
    ['--rpm', '-1'],
    ['--burst', 'soon'],
    ['--key', '=org'],
    ['--rate-headers', 'loud'],
  ])('%s %s is refused', (...args) => {
    expect(() => optionsOf(...args)).toThrow(/invalid/);
  });
});
