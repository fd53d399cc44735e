/**
 * What a plan takes for granted, in sentences: how large each error band is and why, and what nobody has told.
 */
import { formatCount, formatDuration, plural } from '../../base/units.ts';
import { CACHE_HITS } from '../../domain/estimate/cache-facts.ts';
import { COUNT_ERROR } from '../../domain/estimate/total.ts';
import { TIERS } from '../../domain/pacing/tiers.ts';
import { LOWEST_TIER } from '../../engine/pacing/batch-limits.ts';
import type { Planned } from './model-view.ts';
import type { PlanQuestion } from './question.ts';

export function assumptionsOf(question: PlanQuestion, own: Planned): string[] {
  return [
    inputText(question),
    outputText(own),
    worstText(own),
    cachingText(own),
    batchText(question),
    limitsText(question),
    speedText(own),
    unseenText(question),
  ].filter((text) => text !== '');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

function inputText({ candidates, offline, counts }: PlanQuestion): string {
  const part = candidates[0]?.parts[0];
  if (!part) return '';
  const { basis, sampleRows, samplingError, countError } = part.input;
  const spread = `the spread of the sample (${percent(samplingError)} at 95 %)`;
  if (basis === 'counted') {
    return `Input tokens: ${plural(sampleRows, 'row')} counted by the API; the band is ${spread} and ${percent(COUNT_ERROR)} for count_tokens itself, which is an estimate.`;
  }
  const why = offline ?? (counts.stopped === null ? 'nothing was counted' : 'the API stopped answering');
  return `Input tokens: not counted (${why}). By bytes a token for each kind of text on ${plural(sampleRows, 'row')}: the band is ${percent(countError)}, because no tokenizer is published, and ${spread}.`;
}

function outputText({ view }: Planned): string {
  switch (view.output_basis) {
    case 'told':
      return 'Output tokens: as --output-tokens says, a fifth more or less.';
    case 'earlier_runs':
      return 'Output tokens: what answers of this model were in earlier runs of this state, by half more or less.';
    default:
      return 'Output tokens: nothing is known of the answers. A quarter of max_tokens is assumed; the band is from a word to all of max_tokens. --output-tokens makes it narrower.';
  }
}

/** The reason why the worst case is above the band, in one line. */
function worstText({ view }: Planned): string {
  if (view.cost_usd.batch.worst === null && view.cost_usd.realtime.worst === null) return '';
  return 'At most is what --max-cost sets aside, and what submit and status say: every answer as long as max_tokens, a token for every 2 bytes of a request, and a tenth more for inference in the US.';
}

function cachingText({ view }: Planned): string {
  if (!view.caching.possible) return '';
  const { low, expected, high } = CACHE_HITS.batch;
  return `Caching: after one warming request ${percent(expected)} of the rows find the prefix in batches (${percent(low)} to ${percent(high)}); without it cold batches were seen to hit nothing.`;
}

function batchText({ account }: PlanQuestion): string {
  const { ms, batches } = account.batchMs;
  const range = `${formatDuration(ms.low)} to ${formatDuration(ms.high)}`;
  if (batches > 0)
    return `A batch takes about ${formatDuration(ms.expected)} (${range}), as ${plural(batches, 'earlier batch', 'earlier batches')} of this account did.`;
  return `A batch is taken to take an hour (${range}): most end sooner, and 24 h is the end (documentation). This account has no earlier batches here.`;
}

function limitsText({ account }: PlanQuestion): string {
  if (!account.assumed) return '';
  return `Limits: nothing is known of the account. Those of the ${LOWEST_TIER} tier of ${TIERS[LOWEST_TIER].year} are assumed; --tier says another, ANTHROPIC_ADMIN_KEY asks, and every run learns them.`;
}

function speedText({ view }: Planned): string {
  if (view.answer_basis === 'measured') return '';
  return `Answers take about ${view.answer_seconds.toFixed(1)}s a call by a table of others' measurements; what this account measures takes its place.`;
}

function unseenText({ candidates, rows }: PlanQuestion): string {
  const cachingRows = candidates[0]?.parts.reduce((sum, { part }) => sum + (part.cachingRows ?? 0), 0) ?? 0;
  if (cachingRows === 0) return '';
  return `${formatCount(cachingRows)} of ${formatCount(rows.total)} rows have cache_control of their own: costs are without its hits and writes.`;
}
