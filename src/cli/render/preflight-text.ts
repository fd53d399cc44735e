/**
 * What a preflight came to, in a line for people and as the `preflight` object of `submit --json`.
 */
import { redact } from '../../base/log.ts';
import { formatCount, formatDuration, plural } from '../../base/units.ts';
import { modelWarning, type ModelLook } from '../../domain/preflight.ts';
import { timesReckoned } from '../../domain/input-raise.ts';
import type { AskStop } from '../../engine/preflight/asking.ts';
import { PREFLIGHT_MS_MAX, type PreflightReport } from '../../engine/preflight/preflight.ts';
import { causeOf } from '../../engine/session.ts';

export interface PreflightView {
  /** Everything was asked. */
  readonly done: boolean;
  /** Why not. */
  readonly stopped: string | null;
  readonly models: readonly {
    readonly id: string;
    readonly state: string;
    readonly takes_batches: boolean | null;
    readonly retires: string | null;
    readonly instead: string | null;
  }[];
  readonly sample: { readonly rows: number; readonly counted: number; readonly refused: number };
  /** Input tokens of the longest of them. */
  readonly longest_tokens: number | null;
  readonly warnings: readonly string[];
}

export function preflightView(report: PreflightReport, warnings: readonly string[]): PreflightView {
  const { models, counted, refusedRows, askedRows, stopped } = report;
  return {
    done: stopped === null,
    stopped: stopped === null ? null : stopText(stopped),
    models: models.map(({ id, state, takesBatches, retires, instead }) => {
      return { id, state, takes_batches: takesBatches, retires, instead };
    }),
    sample: { rows: askedRows, counted: counted.length, refused: refusedRows },
    longest_tokens: counted.length === 0 ? null : longestTokens(report),
    warnings,
  };
}

/** One line: what was checked, or why nothing was. `rows`: of the whole run. */
export function preflightText(report: PreflightReport, rows: number): string {
  const { models, counted, stopped } = report;
  const told = models.filter(({ state }) => state !== 'untold');
  if (counted.length === 0 && told.length === 0) {
    return `Preflight was not done: ${stopped === null ? 'the API says nothing of the models' : stopText(stopped)}.`;
  }
  const parts = [modelsText(models)];
  if (counted.length > 0) {
    const some =
      counted.length === rows ? plural(rows, 'row') : `${formatCount(counted.length)} of ${plural(rows, 'row')}`;
    parts.push(`${some} counted, the longest has ${plural(longestTokens(report), 'token')}`);
  }
  if (stopped !== null) parts.push(`not all was asked: ${stopText(stopped)}`);
  return `Preflight: ${parts.filter((part) => part !== '').join('; ')}.`;
}

/** What is worth a word although it stops nothing. */
export function preflightWarnings({ models, beyondWindow, counted }: PreflightReport): readonly string[] {
  const [first] = beyondWindow;
  const beyond =
    first === undefined
      ? []
      : [
          `${plural(beyondWindow.length, 'row')} of the sample may not get a whole answer: ${formatCount(first.tokens)} tokens and max_tokens ${formatCount(first.maxTokens)} are more than the context window of ${first.model}`,
        ];
  return [...models.map(modelWarning).filter((text) => text !== null), ...beyond, ...dearWarning(counted)];
}

/** By these the most that the run may cost is raised: whoever compares it with a dry run shall know why it is more. */
function dearWarning(counted: PreflightReport['counted']): readonly string[] {
  const dear = counted.map(timesReckoned).filter((times) => times > 1);
  if (dear.length === 0) return [];
  const times = Math.max(...dear).toFixed(1);
  const some = `${formatCount(dear.length)} of ${plural(counted.length, 'counted row')}`;
  return [
    `${some} have more tokens than is reckoned with by their size (one for every two bytes), up to ${times} times as many: more is reckoned with for all rows of the run, in the most that it may cost and in --max-cost`,
  ];
}

/** Models of which the same is true are named together. */
function modelsText(models: readonly ModelLook[]): string {
  const groups = new Map<string, string[]>();
  for (const { id, state, takesBatches } of models) {
    const one =
      takesBatches === null
        ? STATES[state]
        : `${STATES[state]} and ${takesBatches ? 'takes' : 'does not take'} batches`;
    groups.set(one, [...(groups.get(one) ?? []), id]);
  }
  return [...groups].map(([what, ids]) => `${namesOf(ids)} ${ids.length === 1 ? what : many(what)}`).join('; ');
}

const STATES = {
  active: 'is active',
  deprecated: 'is deprecated',
  retired: 'is no longer served',
  missing: 'does not exist',
  untold: 'is a model that the API says nothing of',
} as const;

function many(what: string): string {
  return what
    .replace('is a model', 'are models')
    .replace(/^is /, 'are ')
    .replaceAll('takes ', 'take ')
    .replaceAll('does not', 'do not');
}

const NAMED_MAX = 3;

function namesOf(ids: readonly string[]): string {
  if (ids.length > NAMED_MAX) return `${formatCount(ids.length)} models`;
  return ids.length === 1 ? (ids[0] ?? '') : `${ids.slice(0, -1).join(', ')} and ${ids.at(-1) ?? ''}`;
}

function longestTokens({ counted }: PreflightReport): number {
  return Math.max(...counted.map(({ tokens }) => tokens));
}

function stopText(stop: AskStop): string {
  switch (stop.kind) {
    case 'time':
      return `no more after ${formatDuration(PREFLIGHT_MS_MAX)}`;
    case 'aborted':
      return 'interrupted';
    case 'failed': {
      const { failure } = stop;
      const isBare = failure.status === 404 || (failure.status !== null && failure.type === null);
      if (isBare) return `the server does not answer these questions (status ${failure.status}), as proxies do`;
      return redact(causeOf(failure));
    }
  }
}
