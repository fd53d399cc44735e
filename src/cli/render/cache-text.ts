/**
 * What people read about the prompt cache: of a run in a line, and while it happens.
 */
import { formatCount, formatUsd, plural } from '../../base/units.ts';
import type { CacheView } from '../../engine/cache/cache-view.ts';
import type { EngineEvent } from '../../engine/events.ts';
import type { Paint } from '../terminal/ui.ts';

/** Of a run; nothing where it has nothing to do with caching. */
export function cacheText(view: CacheView | null): string {
  if (view === null) return '';
  const { read_tokens: read, written_tokens: written, hit_share: hits, prefixes } = view;
  if (view.declined !== null && read + written === 0) return `  cache  not used: ${view.declined}`;
  const parts = [
    hits === null
      ? 'no row has read or written yet'
      : `${percent(hits)} of the cached tokens were hits (${formatCount(read)} read, ${formatCount(written)} written)`,
    view.warm_ups === 0
      ? ''
      : `${plural(view.warm_ups, 'warm-up')}${view.warm_up_usd === null ? '' : ` for ${formatUsd(view.warm_up_usd)}`}`,
    prefixes.length > 0 && prefixes.every(({ useless }) => useless) ? 'the API keeps none of it: too short' : '',
    savedText(view),
  ];
  return `  cache  ${parts.filter((part) => part !== '').join('; ')}`;
}

function savedText({ saved_usd: saved, hit_share: hits, warm_ups: calls }: CacheView): string {
  if (hits === null && calls === 0) return '';
  if (saved === null) return 'what that saved is not known (a model without a known price)';
  return saved < 0 ? `${formatUsd(-saved)} more than without caching` : `${formatUsd(saved)} saved`;
}

function percent(share: number): string {
  // Not quite all is not all.
  return share < 1 ? `${Math.min(99.9, Math.round(share * 1_000) / 10)}%` : '100%';
}

/** Null for every other event. */
export function cacheEventText(event: EngineEvent, { dim, yellow }: Pick<Paint, 'dim' | 'yellow'>): string | null {
  if (event.kind === 'cache.cold') {
    return yellow(
      `prompt cache: what the rows share could not be written beforehand (${event.cause}); chunk ${event.chunkNo} goes without, at the price of writing it row by row`,
    );
  }
  if (event.kind !== 'cache.warm') return null;
  const { writtenTokens: written, readTokens: read, model, ttl } = event;
  if (written + read === 0) {
    return yellow(
      `prompt cache: ${model} does not keep what the rows share, it is too short: caching does nothing here`,
    );
  }
  const done = written > 0 ? `${formatCount(written)} tokens written` : `${formatCount(read)} tokens are there already`;
  return dim(`prompt cache: ${done} for ${model}, kept for ${ttl}`);
}
