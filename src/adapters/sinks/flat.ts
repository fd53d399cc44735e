/**
 * `--format flat`: one flat JSON object for each row, made for jq, pandas and DuckDB.
 *
 * The id, our fields (fields.ts), those of an answer that follows a schema, then the input's columns with the values they came with. `content` appears only in
 * answers that are more than text.
 */
import type { RecordFormatter } from '../../domain/output-record.ts';
import type { AnswerColumn } from '../../domain/schema/answer-columns.ts';
import { answerFields } from './answer-fields.ts';
import { columnNames, fieldsOf, idFieldName, OUR_FIELDS } from './fields.ts';

export interface FlatOptions {
  /** The input's columns in their order. A row may have others: they follow. */
  readonly columns: readonly string[];
  readonly idColumnName?: string | undefined;
  readonly answer?: readonly AnswerColumn[] | undefined;
}

export function flatFormatter(options: FlatOptions): RecordFormatter {
  const idName = idFieldName(options.idColumnName);
  const answer = answerFields(options.answer, idName);
  const known = columnNames(options.columns, idName, answer.names);
  return {
    header: () => null,
    format: (record) => {
      const fields = fieldsOf(record);
      // Filled key by key: an object out of pairs, or with a spread in it, took longer than all the rest.
      const flat: Record<string, unknown> = { [idName]: record.customId };
      for (const field of OUR_FIELDS) if (field !== 'content') flat[field] = fields[field];
      if (fields.content !== null) flat['content'] = fields.content;
      if (answer.names.length > 0) {
        for (const [at, value] of answer.values(record, fields.text).entries())
          put(flat, answer.names[at] ?? '', value);
      }
      const columns = record.columns ?? {};
      const names = hasOnly(columns, known, idName)
        ? known
        : columnNames([...new Set([...options.columns, ...Object.keys(columns)])], idName, answer.names);
      for (const [column, name] of names) {
        if (Object.hasOwn(columns, column)) put(flat, name, columns[column]);
      }
      return `${JSON.stringify(flat)}\n`;
    },
  };
}

function hasOnly(
  columns: Readonly<Record<string, unknown>>,
  known: ReadonlyMap<string, string>,
  idName: string,
): boolean {
  for (const column in columns) if (!known.has(column) && column !== idName) return false;
  return true;
}

function put(flat: Record<string, unknown>, name: string, value: unknown): void {
  // The one name that an assignment would take for something else.
  if (name !== '__proto__') flat[name] = value;
  else Object.defineProperty(flat, name, { value, enumerable: true, configurable: true, writable: true });
}
