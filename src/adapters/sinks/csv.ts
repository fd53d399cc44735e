/**
 * `--format csv`: the fields of `flat` as a table with a header line, quoted as RFC 4180 says, lines ended by `\n`.
 *
 * A cell that a spreadsheet would run as a formula (it begins with = + - @, a tab or a carriage return) gets a `'` in
 * front, unless that is switched off; the answers of a model and the rows of strangers are not to be trusted
 * (https://owasp.org/www-community/attacks/CSV_Injection). Numbers are left alone: they are numbers.
 */
import { csvLine } from './csv-line.ts';
import { columnNames, fieldsOf, idFieldName, OUR_FIELDS } from './fields.ts';
import { answerFields } from './answer-fields.ts';
import type { RecordFormatter } from '../../domain/output-record.ts';
import type { AnswerColumn } from '../../domain/schema/answer-columns.ts';

export interface CsvOptions {
  /** The input's columns in their order: with our fields they are the header, and no row has more cells. */
  readonly columns: readonly string[];
  readonly defuseFormulas: boolean;
  readonly idColumnName?: string | undefined;
  readonly answer?: readonly AnswerColumn[] | undefined;
}

export function csvFormatter(options: CsvOptions): RecordFormatter {
  const { columns: inputColumns, defuseFormulas, idColumnName } = options;
  const idName = idFieldName(idColumnName);
  const answer = answerFields(options.answer, idName);
  const names = columnNames(inputColumns, idName, answer.names);
  const columns = [...names.keys()];
  return {
    header: () => csvLine([idName, ...OUR_FIELDS, ...answer.names, ...names.values()], defuseFormulas),
    format: (record) => {
      const fields = fieldsOf(record);
      const cells: unknown[] = [record.customId];
      for (const field of OUR_FIELDS) cells.push(fields[field]);
      if (answer.names.length > 0) cells.push(...answer.values(record, fields.text));
      const carried = record.columns ?? {};
      for (const column of columns) cells.push(Object.hasOwn(carried, column) ? carried[column] : null);
      return csvLine(cells, defuseFormulas);
    },
  };
}
