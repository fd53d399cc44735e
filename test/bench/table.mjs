/**
 * Tables of the benchmarks, in columns.
 */

/** The first row is the head. */
export function printTable(rows) {
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  for (const row of rows) {
    const cells = row.map((text, at) => (at === row.length - 1 ? text : text.padEnd(widths[at])));
    process.stdout.write(`${cells.join('  ').trimEnd()}\n`);
  }
}

/** Least / middle / most. */
export function spreadText({ min, median, max }, digits) {
  return [min, median, max].map((value) => value.toFixed(digits)).join(' / ');
}
