/**
 * What can be wrong with a record of a CSV, said so that whoever wrote the file can mend it. `unread` stands for all that
 * is left of a file: it must never be skipped in silence.
 */
import { plural } from '../../base/units.ts';
import type { RowProblem } from '../../domain/source.ts';

export const BROKEN_QUOTE: RowProblem = {
  code: 'csv_quote',
  message:
    'a double quote is out of place: a cell with quotes in it stands in quotes, with each quote inside doubled ("")',
};

export function wrongCount(found: number, wanted: number): RowProblem {
  const hint = found > wanted ? ' (a cell with the delimiter in it must stand in double quotes)' : '';
  return { code: 'columns', message: `${plural(found, 'cell')} where the header has ${wanted}${hint}` };
}

export function unreadQuote(line: number, lines: number): RowProblem {
  return {
    code: 'unread',
    message: `a quoted cell that begins on line ${line} is not closed properly (noticed ${plural(lines, 'line')} further on): nothing from there to the end of the file could be read`,
  };
}

export function unreadLarge(line: number): RowProblem {
  return {
    code: 'unread',
    message: `the record that begins on line ${line} is longer than can be read, perhaps for a missing closing quote: nothing from there to the end of the file could be read`,
  };
}
