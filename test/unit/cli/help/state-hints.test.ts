/** Commands in messages carry the --state that the command was given. */
import { describe, expect, test } from 'vitest';
import { withState } from '../../../../src/cli/help/state-hints.ts';

describe('commands in talk', () => {
  test.each([
    ['Now: batchrun collect', 'Now: batchrun collect --state /a'],
    ['Go on: `batchrun collect run_1`.', 'Go on: `batchrun collect run_1 --state /a`.'],
    [
      '`batchrun cancel x`, then `batchrun prune x`',
      '`batchrun cancel x --state /a`, then `batchrun prune x --state /a`',
    ],
    ['To stop them: batchrun cancel run_1\nmore', 'To stop them: batchrun cancel run_1 --state /a\nmore'],
    [
      'To stop them:\n  batchrun cancel run_1\n  batchrun cancel run_2\n  … and 3 more: batchrun status\nmore',
      'To stop them:\n  batchrun cancel run_1 --state /a\n  batchrun cancel run_2 --state /a\n  … and 3 more: batchrun status --state /a\nmore',
    ],
    ['  batchrun run in.csv     (cron)', '  batchrun run in.csv     (cron)'],
    [
      'Left alone: 2. To bring them to their end: batchrun collect',
      'Left alone: 2. To bring them to their end: batchrun collect --state /a',
    ],
    ['No runs.\nStart with: batchrun submit <input>', 'No runs.\nStart with: batchrun submit <input> --state /a'],
    ['`batchrun status --state /b` has it', '`batchrun status --state /b` has it'],
    ['`batchrun doctor` has no state', '`batchrun doctor` has no state'],
    ['the prompt says batchrun collect', 'the prompt says batchrun collect'],
  ])('%s', (text, expected) => {
    expect(withState(text, '/a')).toBe(expected);
  });

  test('are left as they are with the usual folder, and quoted where the folder needs it', () => {
    expect(withState('Now: batchrun collect', '.batchrun')).toBe('Now: batchrun collect');
    expect(withState('`batchrun list`', 'a b')).toBe("`batchrun list --state 'a b'`");
  });
});
