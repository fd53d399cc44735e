/**
 * `--format flat`: one flat JSON object for each row, made for jq, pandas and DuckDB.
 *
 * The id, our fields (fields.ts), then the input's columns with the values they came with. `content` appears only in
 * answers that are more than text.
 */
import type { RecordFormatter } from '../../domain/output-record.ts';
import { columnNames, fieldsOf, idFieldName } from './fields.ts';

export interface FlatOptions {
  /** The input's columns in their order. A row may have others: they follow. */
  readonly columns: readonly string[];
  readonly idColumnName?: string | undefined;
}

export function flatFormatter(options: FlatOptions): RecordFormatter {
  const idName = idFieldName(options.idColumnName);
  const known = columnNames(options.columns, idName);
  return {
    header: () => null,
    format: (record) => {
      const { content, ...ours } = fieldsOf(record);
      const pairs: [string, unknown][] = [[idName, record.customId], ...Object.entries(ours)];
      if (content !== null) pairs.push(['content', content]);
      const columns = record.columns ?? {};
      const names = Object.keys(columns).every((column) => known.has(column) || column === idName)
        ? known
        : columnNames([...new Set([...options.columns, ...Object.keys(columns)])], idName);
      for (const [column, name] of names) {
        if (Object.hasOwn(columns, column)) pairs.push([name, columns[column]]);
      }
      return `${JSON.stringify(Object.fromEntries(pairs))}\n`;
    },
  };
}
