/**
 * Before a real endpoint is loaded: what it can cost at most is said, and only --yes goes on. A terminal is not asked,
 * because a load test must not begin by a habit of pressing y.
 */
import { BatchrunError } from '../../base/errors.ts';
import { maskKey } from '../../base/log.ts';
import { formatUsdMost, plural } from '../../base/units.ts';
import { worstTestUsd } from '../../tools/loadtest/budget.ts';
import type { MixEntry } from '../../tools/loadtest/mix.ts';
import type { LoadSettings } from '../../tools/loadtest/settings.ts';
import type { Context } from '../context.ts';
import { largestBytes } from './requests.ts';

export interface Confirmed {
  readonly settings: LoadSettings;
  /** '' where none is sent. */
  readonly credential: string;
}

export function confirmCharged({ flags, terminal }: Context, { settings, credential }: Confirmed): void {
  const { entries, maxRequests, maxCostUsd, target } = settings;
  const worst = worstTestUsd(entries, largestBytes, maxRequests);
  const models = [...new Set(entries.map(({ model }) => model))].join(', ');
  if (worst === null && maxCostUsd !== null) {
    throw new BatchrunError('E_USAGE', `--max-cost cannot be kept: no realtime price of ${models} is known`, {
      hint: 'Give it with --prices FILE, for example {"my-model": {"input": 1, "output": 5}} (USD per million tokens).',
    });
  }
  const most = Math.min(worst ?? Infinity, maxCostUsd ?? Infinity);
  const cost = Number.isFinite(most)
    ? `at most ${formatUsdMost(most)}${uncountedIn(entries)}`
    : 'an unknown amount (a model without a known price)';
  const key = credential === '' ? 'without a key' : `with key ${maskKey(credential)}`;
  terminal.talk(`At most ${plural(maxRequests, 'request')} to ${target} ${key} (${models}): ${cost}.`);
  if (flags.yes !== true) {
    throw new BatchrunError('E_NOT_CONFIRMED', `nothing was sent to ${target}`, {
      hint: 'Add --yes to load it. Without --target the same runs against the simulator, which costs nothing.',
    });
  }
}

/** What no one can tell from a request, and what no cap holds: the sum must not be taken for all there is. */
function uncountedIn(entries: readonly MixEntry[]): string {
  const asked = entries.map(({ params, ask }) => JSON.stringify([params, ask])).join('');
  const [tool] = /(?<="type":")(web_search|web_fetch|code_execution)(?=_\d)/.exec(asked) ?? [];
  const uncounted = [
    ...(tool === undefined ? [] : [`uses of the API's own tools (${tool}) and what they read`]),
    ...(/"type":"(url|file)"/.test(asked) ? ['images and files that are named by URL or id'] : []),
  ];
  return uncounted.length === 0 ? '' : `, and on top of it ${uncounted.join(', and ')}`;
}

/** The simulator costs nothing, but its costs are counted: a cap on them must be one that can be kept. */
export function refuseUnpriced({ entries, maxCostUsd }: LoadSettings): void {
  if (maxCostUsd === null || worstTestUsd(entries, largestBytes, 1) !== null) return;
  throw new BatchrunError('E_USAGE', '--max-cost cannot be kept: a model has no known price', {
    hint: 'Give it with --prices FILE, for example {"my-model": {"input": 1, "output": 5}} (USD per million tokens).',
  });
}
