/**
 * `--format csv`: the fields of `flat` as a table with a header line, quoted as RFC 4180 says, lines ended by `\n`.
 *
 * A cell that a spreadsheet would run as a formula (it begins with = + - @, a tab or a carriage return) gets a `'` in
 * front, unless that is switched off; the answers of a model and the rows of strangers are not to be trusted
 * (https://owasp.org/www-community/attacks/CSV_Injection). Numbers are left alone: they are numbers.
 */
import { csvLine } from './csv-line.ts';
import { columnNames, fieldsOf, idFieldName, OUR_FIELDS } from './fields.ts';
import type { RecordFormatter } from '../../domain/output-record.ts';

export interface CsvOptions {
  /** The input's columns in their order: with our fields they are the header, and no row has more cells. */
  readonly columns: readonly string[];
  readonly defuseFormulas: boolean;
  readonly idColumnName?: string | undefined;
}

export function csvFormatter({ columns: inputColumns, defuseFormulas, idColumnName }: CsvOptions): RecordFormatter {
  const idName = idFieldName(idColumnName);
  const names = columnNames(inputColumns, idName);
  const columns = [...names.keys()];
  return {
    header: () => csvLine([idName, ...OUR_FIELDS, ...names.values()], defuseFormulas),
    format: (record) => {
      const fields = fieldsOf(record);
      const cells: unknown[] = [record.customId];
      for (const field of OUR_FIELDS) cells.push(fields[field]);
      const carried = record.columns ?? {};
      for (const column of columns) cells.push(Object.hasOwn(carried, column) ? carried[column] : null);
      return csvLine(cells, defuseFormulas);
    },
  };
}
