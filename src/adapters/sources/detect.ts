/**
 * Tells what an input is from its first bytes: JSON Lines, CSV, or one JSON text, and for CSV its delimiter.
 *
 * Content goes before the name of the file. What cannot be rows (an archive, a workbook, UTF-16, a binary file)
 * is refused by name with the way to convert it, because a wrong guess would become thousands of broken rows.
 */
import { extname } from 'node:path';
import { BatchrunError } from '../../base/errors.ts';
import { shellQuote } from '../../base/shell.ts';
import type { InputBytes } from './bytes.ts';

export type InputFormat = 'jsonl' | 'csv' | 'json';

export type Detected =
  | { readonly format: 'jsonl' }
  | { readonly format: 'json'; readonly wrapped: boolean }
  | { readonly format: 'csv'; readonly delimiter: string };

/** First bytes of files that people hand over by mistake, and what to do with them. */
const FOREIGN: readonly (readonly [readonly number[], string, string])[] = [
  [[0x50, 0x4b, 3, 4], 'a zip archive or an Excel workbook', 'Save the sheet as CSV UTF-8, or unpack the archive.'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'packed with zstd', 'Unpack it first: zstd -dc FILE | batchrun submit - …'],
  [[0x42, 0x5a, 0x68], 'packed with bzip2', 'Unpack it first: bzip2 -dc FILE | batchrun submit - …'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'packed with xz', 'Unpack it first: xz -dc FILE | batchrun submit - …'],
  [[0x1f, 0x8b], 'packed with gzip twice', 'Unpack it once: gzip -dc FILE | batchrun submit - …'],
  [[0x50, 0x41, 0x52, 0x31], 'a Parquet file', 'Write it as JSON Lines or CSV first.'],
  [[0xff, 0xfe], 'UTF-16 text', 'Convert it first: iconv -f UTF-16 -t UTF-8 FILE > FILE.utf8'],
  [[0xfe, 0xff], 'UTF-16 text', 'Convert it first: iconv -f UTF-16 -t UTF-8 FILE > FILE.utf8'],
];

/** A whole API body: an object whose first key is `requests`, with an array. */
const WRAPPED = /^\s*\{\s*"requests"\s*:\s*\[/;

export function detectFormat(input: InputBytes, wanted: InputFormat | undefined): Detected {
  const { head, name } = input;
  refuseForeign(name, head);
  const text = head.toString('utf8');
  const start = text.search(/\S/);
  const first = text[start];
  const extension = extensionOf(name);
  if (wanted === 'csv') return { format: 'csv', delimiter: delimiterOf(text, extension) };
  if (wanted === 'json') return { format: 'json', wrapped: first === '{' };
  if (wanted === 'jsonl' || first === undefined) return { format: 'jsonl' };
  if (first === '[') return { format: 'json', wrapped: false };
  if (first === '{') {
    if (WRAPPED.test(text)) return { format: 'json', wrapped: true };
    refuseBrokenLines(input, text.slice(start));
    return { format: 'jsonl' };
  }
  if (extension === '.csv' || extension === '.tsv') return { format: 'csv', delimiter: delimiterOf(text, extension) };
  if (extension === '.jsonl' || extension === '.ndjson') return { format: 'jsonl' };
  const delimiter = delimiterOf(text, extension);
  if (looksLikeHeader(firstLine(text), delimiter)) return { format: 'csv', delimiter };
  throw new BatchrunError('E_INPUT_FORMAT', `${name} is not recognised: it begins neither as JSON nor as a CSV header`);
}

function refuseForeign(name: string, head: Buffer): void {
  for (const [magic, what, hint] of FOREIGN) {
    if (magic.every((byte, index) => head[index] === byte)) {
      throw new BatchrunError('E_INPUT_FORMAT', `${name} is ${what}, not JSON Lines, JSON or CSV in UTF-8`, { hint });
    }
  }
  const zero = head.indexOf(0);
  if (zero < 0) return;
  throw new BatchrunError('E_INPUT_FORMAT', `${name} is not text: it has a zero byte at byte ${zero}`, {
    hint: 'If it is UTF-16 text, convert it: iconv -f UTF-16LE -t UTF-8 FILE > FILE.utf8',
  });
}

/** One JSON object over several lines would be as many broken rows as it has lines; so would lines with commas between. */
function refuseBrokenLines(input: InputBytes, text: string): void {
  const { name } = input;
  const line = firstLine(text).trim();
  const goesOn = text.length > firstLine(text).length;
  if (isObjectWithComma(line)) {
    const away = filtered(input, "sed 's/,[[:space:]]*$//'");
    throw new BatchrunError(
      'E_INPUT_FORMAT',
      `${name} has a comma behind the object of its first line: lines of JSON Lines have none between them`,
      { hint: `If these are the elements of an array, put [ and ] around them. Else take the commas away: ${away}` },
    );
  }
  if (!goesOn || !(line === '{' || /[,{[]$/.test(line))) return;
  throw new BatchrunError(
    'E_INPUT_FORMAT',
    `${name} has a JSON object over several lines; rows are one object a line (JSON Lines), an array of objects, or {"requests":[…]}`,
    {
      hint: `For an array inside an object, jq -c ".key[]" takes it out. Else make one line of each object: ${filtered(input, 'jq -c .')}`,
    },
  );
}

/**
 * The command that sends the input through a filter, to be pasted as it is: into a file of another name, since the shell
 * empties its target before anything is read. What comes through a pipe has no file to read, and is filtered on its way.
 */
function filtered({ name, packed, totalBytes }: InputBytes, filter: string): string {
  const unpack = packed ? 'gzip -dc' : null;
  if (totalBytes === null) return `… | ${unpack === null ? '' : `${unpack} | `}${filter} | batchrun …`;
  const target = `${name.replace(/\.gz$/i, '').replace(/\.(?:jsonl?|ndjson)$/i, '')}.lines.jsonl`;
  // By `<`, a name that begins with a dash or has no .gz is read as well.
  const from = `< ${shellQuote(name)}`;
  const work = unpack === null ? `${filter} ${from}` : `${unpack} ${from} | ${filter}`;
  return `${work} > ${shellQuote(target)}`;
}

function isObjectWithComma(line: string): boolean {
  if (!line.endsWith('},')) return false;
  try {
    JSON.parse(line.slice(0, -1));
    return true;
  } catch {
    return false;
  }
}

function extensionOf(name: string): string {
  const plain = name.toLowerCase().endsWith('.gz') ? name.slice(0, -3) : name;
  return extname(plain).toLowerCase();
}

function firstLine(text: string): string {
  const end = text.search(/[\r\n]/);
  return end < 0 ? text : text.slice(0, end);
}

/** The comma, unless the header has none and has semicolons (Excel in much of Europe) or tabs instead. */
function delimiterOf(text: string, extension: string): string {
  if (extension === '.tsv') return '\t';
  const header = firstLine(text.trimStart()).replace(/"[^"]*"/g, '');
  if (header.includes(',')) return ',';
  if (header.includes('\t')) return '\t';
  return header.includes(';') ? ';' : ',';
}

/** Without a telling name: at least two short cells, none empty, none twice, none that reads like a sentence. */
function looksLikeHeader(line: string, delimiter: string): boolean {
  const cells = line.split(delimiter).map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
  if (cells.length < 2 || new Set(cells).size !== cells.length) return false;
  return cells.every((cell) => cell.length > 0 && cell.length <= 64 && !/[{}"]|[.!?]$/.test(cell));
}
