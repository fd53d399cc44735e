/**
 * What `--dedupe` and `--reuse` save of a run, or would have saved, in lines for people.
 */
import { formatCount, formatUsd, plural } from '../../base/units.ts';
import type { IngestSaving, Spareable, Spared } from '../../engine/copies/saving.ts';

/** What would be spared is told from this share of the rows and this sum on: less is not worth a line. */
const SHARE_MIN = 0.01;
const USD_MIN = 0.01;

/** Before anything is sent. `rows`: of the run, without those that were skipped. */
export function savingText(saving: IngestSaving | null, rows: number): readonly string[] {
  if (!saving) return [];
  const { deduped, reused, duplicates, reusable } = saving;
  const lines: string[] = [];
  if (deduped.rows > 0) {
    lines.push(
      `${plural(deduped.rows, 'row')} ask what another row asks and take its answer (${costs(deduped)} less).`,
    );
  }
  if (reused.rows > 0) {
    const usd = reused.usd === null ? '' : ` (${formatUsd(reused.usd)} not paid again)`;
    lines.push(`${plural(reused.rows, 'row')} take the answer of an earlier run${usd}.`);
  }
  if (duplicates && isWorthIt(duplicates, rows)) {
    lines.push(
      `${about(duplicates)} of ${formatCount(rows)} rows ask what another row asks: --dedupe sends each question once (${costs(duplicates)} less). Leave it off where you want several answers to one question.`,
    );
  }
  if (reusable && isWorthIt(reusable, rows)) {
    lines.push(
      `${about(reusable)} of ${formatCount(rows)} rows ask what an earlier run of this state was asked: --reuse takes its answers (${costs(reusable)} less).`,
    );
  }
  return lines;
}

function isWorthIt({ rows, usd }: Spared, of: number): boolean {
  return rows > 0 && rows >= of * SHARE_MIN && (usd === null || usd >= USD_MIN);
}

function about({ rows, exact }: Spareable): string {
  return `${exact ? '' : 'About '}${formatCount(rows)}`;
}

function costs({ usd }: Spared): string {
  return usd === null ? 'an unknown sum' : `up to about ${formatUsd(usd)}`;
}

/** The same for scripts: fields of `submit --json` and `--dry-run --json`. */
export function savingView(saving: IngestSaving | null): Readonly<Record<string, unknown>> | null {
  if (!saving) return null;
  const spared = ({ rows, usd }: Spared): Record<string, unknown> => ({ rows, usd });
  const spareable = (one: Spareable | null): Record<string, unknown> | null =>
    one && { ...spared(one), exact: one.exact };
  return {
    deduped: spared(saving.deduped),
    reused: spared(saving.reused),
    duplicates: spareable(saving.duplicates),
    reusable: spareable(saving.reusable),
  };
}
