/**
 * The door to the output formats: one of jsonl, flat and csv, chosen by `--format`.
 */
import { csvFormatter } from './csv.ts';
import { flatFormatter } from './flat.ts';
import { jsonlFormatter } from './jsonl.ts';
import type { FormatterOptions, RecordFormatter } from '../../domain/output-record.ts';

export { errorsLine } from './errors-file.ts';

export function createFormatter(options: FormatterOptions): RecordFormatter {
  switch (options.format) {
    case 'jsonl':
      return jsonlFormatter();
    case 'flat':
      return flatFormatter(options);
    case 'csv':
      return csvFormatter(options);
  }
}
