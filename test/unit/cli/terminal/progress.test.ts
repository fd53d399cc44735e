/** What is told of the work while it goes on: the words of some events, and the live line. */
import { expect, test } from 'vitest';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import { Progress, rowParts } from '../../../../src/cli/terminal/progress.ts';
import { symbolsOf } from '../../../../src/cli/terminal/symbols.ts';
import type { Terminal } from '../../../../src/cli/terminal/terminal.ts';
import { createPaint, jsonText } from '../../../../src/cli/terminal/ui.ts';

function lab(giveUpMs: number): { readonly progress: Progress; readonly told: string[] } {
  const told: string[] = [];
  const terminal = {
    ...{ live: true, interactive: false, color: false, dataColor: false, columns: 200, symbols: symbolsOf(true) },
    talk: (line: string) => void told.push(line),
    line: () => undefined,
  } as unknown as Terminal;
  return { progress: new Progress({ terminal, clock: new VirtualClock(0), quiet: false, giveUpMs }), told };
}

test('of an API that cannot be reached it is said for how long it is tried', () => {
  const { progress, told } = lab(3_600_000);
  progress.emit({ kind: 'api.unreachable', sinceMs: 0, cause: 'ECONNREFUSED' });
  progress.emit({ kind: 'api.errors', sinceMs: 0, cause: '500 on list' });
  expect(told[0]).toMatch(/ECONNREFUSED\); it is tried again for up to 1h$/);
  expect(told[1]).toMatch(/500 on list\); it is tried again$/);
});

test('canceled and expired rows are not called failed', () => {
  const rows = {
    waiting: 0,
    in_batch: 0,
    retry: 0,
    in_realtime: 0,
    succeeded: 4,
    failed: 1,
    expired: 2,
    canceled: 3,
    invalid: 1,
  };
  const parts = rowParts([{ rows }, { rows: { ...rows, in_realtime: 5 } }], createPaint(false));
  const texts = parts.map(({ text }) => text).filter((text) => text !== '');
  expect(texts).toEqual(['8 ok', '4 failed', '4 expired', '6 canceled', '5 retry']);
});

test('JSON has no noise of binary fractions', () => {
  expect(jsonText({ usd: 0.1 + 0.2, list: [0.000558, 0.0005579999999999999], large: 12_345_678_901_234 })).toBe(
    '{"usd":0.3,"list":[0.000558,0.000558],"large":12345678901234}\n',
  );
  const given = { maximum: 1_764_432_000_123.5, third: 1 / 3, none: null, text: '0.30000000000000004' };
  expect(jsonText(given)).toBe(`${JSON.stringify(given)}\n`);
});
