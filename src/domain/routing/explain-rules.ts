/**
 * Why a route takes a row, or does not: each condition with what it saw and whether it holds. Nothing is left out because
 * another one had settled it already. Of a row's text at most a few characters are shown.
 */
import { formatCount } from '../../base/units.ts';
import { cutText } from '../row/cuts.ts';
import { kindOf } from '../row/shape.ts';
import { compileTest } from './router.ts';
import { valueReader, type RoutedRow } from './row-values.ts';
import type { Condition, Route, Subject, Test } from './rules.ts';

export interface ExplainedRoute {
  readonly route: Route;
  readonly holds: boolean;
  /** Null where the route takes every row. */
  readonly why: ExplainedCondition | null;
}

export interface ExplainedCondition {
  /** `column "tier" equals "gold"`, `all of`, … */
  readonly text: string;
  readonly holds: boolean;
  /** What the row has there; null for groups. */
  readonly value: string | null;
  readonly of: readonly ExplainedCondition[];
}

const VALUE_CHARS = 20;
const LIST_SHOWN = 5;

export function explainRoutes(routes: readonly Route[], row: RoutedRow): readonly ExplainedRoute[] {
  return routes.map((route) => {
    const why = route.when === null ? null : explain(route.when, row);
    return { route, holds: why?.holds ?? true, why };
  });
}

function explain(condition: Condition, row: RoutedRow): ExplainedCondition {
  switch (condition.kind) {
    case 'all':
    case 'any': {
      const of = condition.of.map((one) => explain(one, row));
      const holds = condition.kind === 'all' ? of.every((one) => one.holds) : of.some((one) => one.holds);
      return { text: condition.kind === 'all' ? 'all of' : 'any of', holds, value: null, of };
    }
    case 'not': {
      const of = explain(condition.of, row);
      return { text: 'not', holds: !of.holds, value: null, of: [of] };
    }
    case 'test': {
      const { subject, tests, ignoreCase } = condition;
      const value = valueReader(subject)(row);
      const holds = tests.every((test) => compileTest(test, ignoreCase)(value));
      const asked = tests.map(testText).join(' and ');
      const text = `${subjectText(subject)} ${asked}${ignoreCase ? ' (any case)' : ''}`;
      return { text, holds, value: valueText(value, tests), of: [] };
    }
  }
}

function subjectText(subject: Subject): string {
  return subject.kind === 'tokens' ? 'estimated tokens' : `${subject.kind} ${JSON.stringify(subject.name)}`;
}

function testText(test: Test): string {
  switch (test.kind) {
    case 'equals':
      return `equals ${JSON.stringify(test.value)}`;
    case 'in': {
      const list = test.values.slice(0, LIST_SHOWN).map((value) => JSON.stringify(value));
      return `in ${list.join(', ')}${test.values.length > LIST_SHOWN ? `, … (${test.values.length})` : ''}`;
    }
    case 'contains':
      return `contains ${JSON.stringify(test.text)}`;
    case 'matches':
      return `matches /${test.text}/`;
    case 'exists':
      return test.value ? 'exists' : 'does not exist';
    default:
      return `${test.kind.replaceAll('_', ' ')} ${formatNumber(test.value)}`;
  }
}

/** What the row has there: of a text that is only measured its length, of others their beginning. */
function valueText(value: unknown, tests: readonly Test[]): string {
  if (typeof value === 'number') return formatNumber(value);
  if (typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value !== 'string') return kindOf(value);
  if (tests.every((test) => test.kind === 'longer_than' || test.kind === 'shorter_than'))
    return `${formatCount(value.length)} characters`;
  const cut = cutText(value, VALUE_CHARS);
  return cut.length < value.length
    ? `${JSON.stringify(cut)}… (${formatCount(value.length)} characters)`
    : JSON.stringify(value);
}

function formatNumber(value: number): string {
  return Number.isInteger(value) && Math.abs(value) >= 1_000 ? formatCount(value) : String(value);
}
