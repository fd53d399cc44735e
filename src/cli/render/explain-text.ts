/**
 * How `--explain-routing` shows a row: each rule with its conditions, and what the row comes to.
 */
import { formatCount } from '../../base/units.ts';
import type { ExplainedCondition, ExplainedRoute } from '../../domain/routing/explain-rules.ts';
import type { LaneMode } from '../../domain/model.ts';
import type { Priority } from '../../domain/priority.ts';
import type { Route } from '../../domain/routing/rules.ts';
import type { RowProblem } from '../../domain/source.ts';
import { table } from '../terminal/ui.ts';

export interface Explanation {
  /** `questions.csv:43`. */
  readonly place: string;
  readonly id: string;
  /** Every rule up to the one that takes the row; none where the row cannot be read at all. */
  readonly rules: readonly ExplainedRoute[];
  readonly route: Route | null;
  /** Null where the row cannot be sent. */
  readonly row: ExplainedRow | null;
  readonly problems: readonly RowProblem[];
}

export interface ExplainedRow {
  readonly model: Chosen<string>;
  readonly maxTokens: Chosen<number>;
  readonly priority: Chosen<Priority>;
  readonly lane: Chosen<LaneMode>;
}

/** `flags`: a flag, the configuration, or a default. */
export type By = 'row' | 'rule' | 'flags';

/** A value and who has said it. */
export interface Chosen<T> {
  readonly value: T;
  readonly by: By;
}

export function explanationText(explanation: Explanation): string {
  const { place, id, rules, route, row, problems } = explanation;
  const lines = [`Row "${id.slice(0, 60)}" (${place})`];
  rules.forEach((rule, at) => lines.push(...ruleLines(rule, at + 1)));
  if (problems.length > 0) {
    lines.push('The row cannot be sent:', ...problems.map(({ message }) => `  ${message}`));
    return lines.join('\n');
  }
  lines.push(route === null ? 'No rule takes it: the flags count.' : `The rule "${route.name}" takes it.`);
  if (row) {
    const source = (by: By): string => (by === 'rule' ? `the rule "${route?.name ?? ''}"` : BY_TEXT[by]);
    const cells = (name: string, { value, by }: Chosen<string | number>): string[] => [
      name,
      typeof value === 'number' ? formatCount(value) : value,
      `by ${source(by)}`,
    ];
    lines.push(
      table([
        cells('model', row.model),
        cells('max_tokens', row.maxTokens),
        cells('priority', row.priority),
        cells('lane', row.lane),
      ]),
    );
  }
  return lines.join('\n');
}

const BY_TEXT = { row: 'the row itself', flags: 'flags and defaults' } as const;

function ruleLines({ route, holds, why }: ExplainedRoute, no: number): string[] {
  const head = `  ${no}. ${route.name}: ${holds ? 'takes it' : 'no'}`;
  return why === null ? [`${head} (every row)`] : [head, ...conditionLines(why, '     ')];
}

function conditionLines({ text, holds, value, of }: ExplainedCondition, indent: string): string[] {
  const is = value === null ? '' : `: ${value}`;
  return [
    `${indent}${holds ? 'yes' : 'no '}  ${text}${is}`,
    ...of.flatMap((one) => conditionLines(one, `${indent}  `)),
  ];
}

export function viewExplanation({ place, id, rules, route, row, problems }: Explanation): Record<string, unknown> {
  return {
    row: id,
    place,
    route: route?.name ?? null,
    rules: rules.map((rule) => ({
      name: rule.route.name,
      takes: rule.holds,
      when: rule.why === null ? null : viewCondition(rule.why),
    })),
    result: row && {
      model: row.model.value,
      max_tokens: row.maxTokens.value,
      priority: row.priority.value,
      lane: row.lane.value,
    },
    chosen_by: row && {
      model: row.model.by,
      max_tokens: row.maxTokens.by,
      priority: row.priority.by,
      lane: row.lane.by,
    },
    problems,
  };
}

function viewCondition({ text, holds, value, of }: ExplainedCondition): Record<string, unknown> {
  return {
    condition: text,
    holds,
    ...(value === null ? {} : { value }),
    ...(of.length === 0 ? {} : { of: of.map(viewCondition) }),
  };
}
