/**
 * What it cost, what was saved, and what was paid beyond the answers that are used.
 */
import { formatCount, formatUsd, plural } from '../../base/units.ts';
import { barTable, bullets, dataTable, paragraph, type Bar } from '../report/blocks.ts';
import type { Filling } from '../report/markup.ts';
import type { ReportSection } from '../report/page.ts';
import type { RunReport } from './gather.ts';
import type { Money } from './money.ts';

export function costSection(report: RunReport): ReportSection {
  const { money } = report;
  if (money.parts.length === 0)
    return { title: 'Cost', body: paragraph('Nothing has been answered yet, so nothing is paid.') };
  const unknown =
    money.spentUsd === null
      ? [
          paragraph(
            `A model without a known price answered: ${formatUsd(money.knownUsd)} is what is known. Give its price with --prices FILE before the next run.`,
            'warn',
          ),
        ]
      : [];
  const bars = money.parts.map(({ model, lane, costUsd }): Bar => {
    const text = formatUsd(costUsd);
    return {
      label: `${model}, ${lane === 'batch' ? 'batches' : 'calls'}`,
      value: costUsd,
      text,
      tone: lane === 'batch' ? 1 : 2,
    };
  });
  const said = [...savings(report), ...limits(report)];
  const wasted = waste(report);
  return {
    title: 'Cost',
    body: [
      ...unknown,
      barTable({ caption: 'Cost by model and lane', bars }),
      tokens(money),
      bullets(said),
      ...(wasted.length === 0 ? [] : [paragraph('Paid beyond one answer for each row:', 'quiet'), bullets(wasted)]),
    ],
  };
}

function tokens({ parts }: Money): Filling {
  const cached = parts.some((one) => one.cacheReadTokens + one.cacheWrite5mTokens + one.cacheWrite1hTokens > 0);
  const rows = parts.map((one) => [
    one.model,
    one.lane === 'batch' ? 'batches' : 'calls',
    formatCount(one.rows),
    formatCount(one.inputTokens),
    formatCount(one.outputTokens),
    ...(cached ? [formatCount(one.cacheWrite5mTokens + one.cacheWrite1hTokens), formatCount(one.cacheReadTokens)] : []),
    one.unpricedRows > 0 ? 'unknown' : formatUsd(one.costUsd),
  ]);
  const head = [
    'model',
    'lane',
    'answers',
    'input',
    'output',
    ...(cached ? ['cache written', 'cache read'] : []),
    'cost',
  ];
  const numbers = head.map((_, at) => at).slice(2);
  return dataTable({ caption: 'Tokens, and what they cost', head, rows, numbers });
}

function savings({ money, view }: RunReport): string[] {
  const said: string[] = [];
  if (money.batchSavedUsd !== null && money.batchSavedUsd > 0) {
    said.push(`Batches saved about ${formatUsd(money.batchSavedUsd)} against calls at full price.`);
  }
  const { cache } = money;
  if (cache !== null) {
    const { saved_usd: saved, read_tokens: read, written_tokens: written, declined } = cache;
    const effect =
      saved === null
        ? 'what that saved is not known'
        : saved >= 0
          ? `which saved ${formatUsd(saved)}`
          : `which cost ${formatUsd(-saved)} more than no cache`;
    if (read + written > 0) {
      said.push(`The prompt cache: ${formatCount(written)} tokens written, ${formatCount(read)} read, ${effect}.`);
    } else if (declined !== null) said.push(`The prompt cache was not used: ${declined}.`);
    if (cache.warm_ups > 0) {
      const cost = cache.warm_up_usd === null ? 'an unknown sum' : formatUsd(cache.warm_up_usd);
      said.push(`${plural(cache.warm_ups, 'call')} warmed it, for ${cost}.`);
    }
  }
  const { coalesced } = view;
  if (coalesced && coalesced.rows > 0) {
    const parts = [
      coalesced.deduped_rows > 0 ? `${plural(coalesced.deduped_rows, 'row')} took the answer of another row` : '',
      coalesced.reused_rows > 0 ? `${plural(coalesced.reused_rows, 'row')} that of an earlier run` : '',
    ].filter((part) => part !== '');
    said.push(`${parts.join(', ')}: ${formatUsd(coalesced.saved_usd)} saved.`);
  }
  return said;
}

function limits({ run, money }: RunReport): string[] {
  const said: string[] = [];
  const { estimatedMostUsd: most, budget, expectedUsd, spentUsd } = money;
  if (most !== null && most > 0) {
    const share =
      spentUsd === null || run.state !== 'done' ? '' : `; it came to ${Math.round((spentUsd / most) * 100)} % of that`;
    said.push(
      `Before it was sent it could cost ${formatUsd(most)} at most, if every answer used all its max_tokens${share}.`,
    );
  }
  if (expectedUsd !== null)
    said.push(`In the end it will be about ${formatUsd(expectedUsd)}, as the answers so far cost.`);
  if (budget !== null) {
    const leftText = budget.left_usd === null ? 'what is left is not known' : `${formatUsd(budget.left_usd)} left`;
    const reserved =
      budget.reserved_usd > 0 ? `, ${formatUsd(budget.reserved_usd)} reserved for what is under way` : '';
    said.push(
      `The budget was ${formatUsd(budget.max_usd)}: ${formatUsd(budget.spent_usd)} spent${reserved}, ${leftText}.`,
    );
  }
  return said;
}

function waste({ money, run }: RunReport): string[] {
  const { extraAnswers, realtimeExtraUsd, spare, unansweredUsd } = money;
  const said: string[] = [];
  if (extraAnswers !== null && extraAnswers.count > 0 && run.state === 'done') {
    const cost = extraAnswers.usd === null ? '' : `, about ${formatUsd(extraAnswers.usd)}`;
    said.push(
      `${plural(extraAnswers.count, 'answer')} more than rows that succeeded${cost}: asked again, or not as they should be.`,
    );
  }
  if (realtimeExtraUsd !== null && realtimeExtraUsd > 0) {
    said.push(
      `Calls cost about ${formatUsd(realtimeExtraUsd)} more than batches would have: the price of not waiting.`,
    );
  }
  if (spare.batches.length > 0) {
    const cost = spare.usd === null ? 'what they cost is not known' : `about ${formatUsd(spare.usd)}`;
    const ids = spare.batches.slice(0, 5).map(({ id, chunkNo }) => `${id} (chunk ${chunkNo})`);
    const more = spare.batches.length > ids.length ? ', …' : '';
    said.push(
      `${plural(spare.batches.length, 'second batch', 'second batches')}, whose ${plural(spare.rows, 'answer')} nothing uses, ${cost}: ${ids.join(', ')}${more}.`,
    );
  }
  if (spare.lostChunks > 0) {
    said.push(`The results of ${plural(spare.lostChunks, 'chunk')} were lost: what they cost is paid and not known.`);
  }
  if (unansweredUsd > 0 && run.state === 'done') {
    said.push(`Calls whose answer never came may have cost up to ${formatUsd(unansweredUsd)}.`);
  }
  return said;
}
