/**
 * The fields of an answer that follows a schema, as columns between ours and the input's. A field that is called like one
 * of ours gets `answer_` in front of its name. Of a row that did not succeed they are empty: `text` has what it said.
 */
import type { OutputRecord } from '../../domain/output-record.ts';
import { answerValues, type AnswerColumn } from '../../domain/schema/answer-columns.ts';
import { OUR_FIELDS } from './fields.ts';

export interface AnswerFields {
  readonly names: readonly string[];
  /** In the order of the names; `text`: of the record's answer. */
  values(record: OutputRecord, text: unknown): readonly unknown[];
}

export function answerFields(columns: readonly AnswerColumn[] = [], idName: string): AnswerFields {
  const names = uniqueNames(columns, new Set<string>([idName, ...OUR_FIELDS]));
  return {
    names,
    values: ({ state }, text) => answerValues(columns, state === 'succeeded' ? text : null),
  };
}

function uniqueNames(columns: readonly AnswerColumn[], ours: ReadonlySet<string>): readonly string[] {
  const taken = new Set(ours);
  // Those that keep their names come first, so that a renamed one cannot take the name of another.
  const kept = columns.map(({ name }) => {
    if (taken.has(name)) return null;
    taken.add(name);
    return name;
  });
  return kept.map((name, at) => {
    if (name !== null) return name;
    let other = `answer_${columns[at]?.name ?? ''}`;
    while (taken.has(other)) other = `answer_${other}`;
    taken.add(other);
    return other;
  });
}
