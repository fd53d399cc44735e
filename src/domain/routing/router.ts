/**
 * Holds rows against the rules: the first route whose conditions hold takes a row. Compiled once; a row costs a few calls
 * and look-ups, and its tokens are estimated only where a rule asks for them and no rule before it has taken the row.
 */
import { compilePattern } from './pattern.ts';
import { isThere, lengthOf, numberOf, textOf, valueReader, type RoutedRow } from './row-values.ts';
import type { Condition, Route, Scalar, Test } from './rules.ts';

export type { RoutedRow } from './row-values.ts';

/** The first route that takes the row, or null. */
export type Router = (row: RoutedRow) => Route | null;

/** Does it hold for this row? */
export type Check = (row: RoutedRow) => boolean;

export function compileRoutes(routes: readonly Route[]): Router {
  const compiled = routes.map((route) => ({ route, holds: compileCondition(route.when) }));
  return (row) => {
    for (const { route, holds } of compiled) if (holds(row)) return route;
    return null;
  };
}

function compileCondition(condition: Condition | null): Check {
  if (condition === null) return () => true;
  switch (condition.kind) {
    case 'all': {
      const checks = condition.of.map(compileCondition);
      return (row) => checks.every((holds) => holds(row));
    }
    case 'any': {
      const checks = condition.of.map(compileCondition);
      return (row) => checks.some((holds) => holds(row));
    }
    case 'not': {
      const holds = compileCondition(condition.of);
      return (row) => !holds(row);
    }
    case 'test': {
      const read = valueReader(condition.subject);
      const tests = condition.tests.map((test) => compileTest(test, condition.ignoreCase));
      const [only] = tests;
      if (tests.length === 1 && only) return (row) => only(read(row));
      return (row) => {
        const value = read(row);
        return tests.every((holds) => holds(value));
      };
    }
  }
}

/** Of what is not there nothing holds but that it is not there. */
export function compileTest(test: Test, ignoreCase: boolean): (value: unknown) => boolean {
  switch (test.kind) {
    case 'equals':
      return equalTo([test.value], ignoreCase);
    case 'in':
      return equalTo(test.values, ignoreCase);
    case 'contains': {
      const wanted = ignoreCase ? test.text.toLowerCase() : test.text;
      return (value) => isThere(value) && (ignoreCase ? textOf(value).toLowerCase() : textOf(value)).includes(wanted);
    }
    case 'matches': {
      const pattern = compilePattern(test.text, { ignoreCase });
      return (value) => value !== undefined && value !== null && pattern.isIn(textOf(value));
    }
    case 'longer_than':
      return (value) => isThere(value) && lengthOf(value) > test.value;
    case 'shorter_than':
      return (value) => isThere(value) && lengthOf(value) < test.value;
    case 'above':
      return (value) => numberOf(value) > test.value;
    case 'at_least':
      return (value) => numberOf(value) >= test.value;
    case 'below':
      return (value) => numberOf(value) < test.value;
    case 'at_most':
      return (value) => numberOf(value) <= test.value;
    case 'exists':
      return (value) => isThere(value) === test.value;
  }
}

/** Cells are text: `5` of a rule is the 5, 5.0 and "5" of a row, and `true` its true and "true". */
function equalTo(wanted: readonly Scalar[], ignoreCase: boolean): (value: unknown) => boolean {
  const texts = new Set(wanted.map((one) => (ignoreCase ? String(one).toLowerCase() : String(one))));
  const numbers = new Set(wanted.filter((one) => typeof one === 'number'));
  return (value) => {
    if (value === undefined || value === null) return false;
    const text = textOf(value);
    if (texts.has(ignoreCase ? text.toLowerCase() : text)) return true;
    return numbers.size > 0 && numbers.has(numberOf(value));
  };
}
