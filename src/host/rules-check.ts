/**
 * The rules of `--routes`, held against what is known before the first row: the columns of the input and the models that
 * are still served.
 */
import { BatchrunError } from '../base/errors.ts';
import { modelFacts } from '../domain/models.ts';
import { closest } from '../domain/row/closest.ts';
import { columnsOf, type Route } from '../domain/routing/rules.ts';

export interface RulesCheck {
  /** Of the input; none where it has no fixed ones. */
  readonly columns: readonly string[];
  readonly file: string;
  readonly nowMs: number;
}

export function checkRules(routes: readonly Route[], { columns, file, nowMs }: RulesCheck): void {
  for (const [column, rule] of columns.length === 0 ? [] : columnsOf(routes)) {
    if (columns.includes(column)) continue;
    const nearest = closest(column, columns);
    const meant = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    throw new BatchrunError(
      'E_CONFIG',
      `${file}: rule "${rule}" looks at a column "${column}" that is not there${meant}`,
      {
        hint: `The input has the columns: ${columns.slice(0, 50).join(', ')}.`,
      },
    );
  }
  for (const { name, use } of routes) {
    const facts = use.model === undefined ? undefined : modelFacts(use.model, nowMs);
    if (facts?.status !== 'retired') continue;
    const successor = facts.successor === undefined ? '' : ` Its successor is ${facts.successor}.`;
    throw new BatchrunError(
      'E_MODEL_RETIRED',
      `${file}: rule "${name}" uses ${use.model}, which is no longer served (ended ${facts.retires ?? 'some time ago'})`,
      { hint: `Choose a model that is still served.${successor}` },
    );
  }
}
