/**
 * One line of a CSV: cells as text, quoted as RFC 4180 says, formulas defused where that is asked for.
 *
 * It writes what csv-stringify writes with our options, byte for byte; a test holds it to that with random cells. The
 * library itself looks at every cell through all of its options and took four times as long for a row.
 */

/** What makes a cell need quotes. A lone \r too: readers would see a line end. */
const NEEDS_QUOTES = /[",\n\r]/;
/** Where spreadsheets see a formula begin: the wide forms of = + - @ become the plain ones on a Mac. */
const FORMULA = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

/** The cells, with a line feed at the end. */
export function csvLine(cells: readonly unknown[], defuseFormulas: boolean): string {
  const texts = cells.map((cell) => cellText(cell, defuseFormulas));
  return `${texts.join(',')}\n`;
}

function cellText(value: unknown, defuseFormulas: boolean): string {
  switch (typeof value) {
    case 'string':
      return quotedWhereNeeded(value, defuseFormulas);
    // A number is not text that a stranger chose, so a minus in front of it stays as it is.
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'object':
      return value === null ? '' : quotedWhereNeeded(JSON.stringify(value), defuseFormulas);
    default:
      return '';
  }
}

function quotedWhereNeeded(text: string, defuseFormulas: boolean): string {
  const safe = defuseFormulas && FORMULA.test(text) ? `'${text}` : text;
  return NEEDS_QUOTES.test(text) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
