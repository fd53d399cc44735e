/**
 * The pages of a PDF, for a worst case: rather too many than too few. A page is an object that says so, in the file itself
 * or, from PDF 1.5 on, in a packed stream of objects. A file in which none can be seen has as many as it may have bytes for.
 */
import { constants, inflateSync } from 'node:zlib';

const PAGE = /\/Type\s*\/Page(?![A-Za-z])/g;
const OBJECT_STREAM = /\/ObjStm\b/g;
const STREAM = 'stream';
/** Of a packed stream of objects: of no sane file it has more. */
const UNPACKED_BYTES_MAX = 16_000_000;
/** A page is hardly smaller than this, packed and with all that belongs to it. */
const PAGE_BYTES_LEAST = 1_000;

export function pagesOfPdf(file: Buffer): number {
  const text = file.toString('latin1');
  let pages = count(text);
  let unseen = false;
  for (const { index } of text.matchAll(OBJECT_STREAM)) {
    const objects = unpacked(file, text, index);
    if (objects === null) unseen = true;
    else pages += count(objects);
  }
  const byBytes = Math.max(1, Math.ceil(file.length / PAGE_BYTES_LEAST));
  return pages === 0 || unseen ? Math.max(pages, byBytes) : pages;
}

function count(text: string): number {
  let pages = 0;
  for (const _page of text.matchAll(PAGE)) pages++;
  return pages;
}

/** The objects of the stream whose description holds this place; null where they cannot be read. */
function unpacked(file: Buffer, text: string, index: number): string | null {
  const at = text.indexOf(STREAM, index);
  if (at < 0) return null;
  let start = at + STREAM.length;
  if (text[start] === '\r') start++;
  if (text[start] === '\n') start++;
  try {
    const options = { maxOutputLength: UNPACKED_BYTES_MAX, finishFlush: constants.Z_SYNC_FLUSH };
    return inflateSync(file.subarray(start), options).toString('latin1');
  } catch {
    return null;
  }
}
