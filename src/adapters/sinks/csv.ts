/**
 * `--format csv`: the fields of `flat` as a table with a header line, quoted as RFC 4180 says, lines ended by `\n`.
 *
 * A cell that a spreadsheet would run as a formula (it begins with = + - @, a tab or a carriage return) gets a `'` in
 * front, unless that is switched off; the answers of a model and the rows of strangers are not to be trusted
 * (https://owasp.org/www-community/attacks/CSV_Injection). Numbers are left alone: they are numbers.
 */
import type { Options } from 'csv-stringify/sync';
import { stringify } from 'csv-stringify/sync';
import { columnNames, fieldsOf, idFieldName, OUR_FIELDS } from './fields.ts';
import type { RecordFormatter } from '../../domain/output-record.ts';

export interface CsvOptions {
  /** The input's columns in their order: with our fields they are the header, and no row has more cells. */
  readonly columns: readonly string[];
  readonly defuseFormulas: boolean;
  readonly idColumnName?: string | undefined;
}

export function csvFormatter(options: CsvOptions): RecordFormatter {
  const idName = idFieldName(options.idColumnName);
  const names = columnNames(options.columns, idName);
  const columns = [...names.keys()];
  const settings = libraryOptions(options.defuseFormulas);
  return {
    header: () => stringify([[idName, ...OUR_FIELDS, ...names.values()]], settings),
    format: (record) => {
      const fields = fieldsOf(record);
      const carried = record.columns ?? {};
      const cells = columns.map((column) => (Object.hasOwn(carried, column) ? carried[column] : null));
      return stringify([[record.customId, ...OUR_FIELDS.map((field) => fields[field]), ...cells]], settings);
    },
  };
}

function libraryOptions(defuseFormulas: boolean): Options {
  return {
    bom: false,
    delimiter: ',',
    eof: true,
    escape: '"',
    escape_formulas: defuseFormulas,
    header: false,
    quote: '"',
    record_delimiter: '\n',
    // Given a record delimiter, the library would leave a lone \r unquoted, and readers would see a line end.
    quote_record_delimiter: true,
    // Its own ways are '1' and '' for booleans.
    cast: { boolean: (value) => String(value), object: (value) => JSON.stringify(value) },
  };
}
