/**
 * One measured piece of work of `formats.mjs`, in a process of its own: `node format-task.mjs TASK ROWS [FILE]`. It
 * leaves in `work.json` how long the work alone took (without the start of Node and the loading of modules) and what
 * came of it, so that nothing is compared that did not do the same.
 *
 * Ours are the built modules below the folder BENCH_DIST. The libraries stand here as their documentation uses them, and
 * where it has several ways, in the fastest one that was found; they do nothing else (no lines, no checks of UTF-8).
 */
import { createReadStream, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { COLUMNS, poolOf, rowOf } from './format-records.mjs';

const DIST = resolve(process.env.BENCH_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url)));
/** The pool of output records is gone through again and again: memory must not grow with the rows. */
const POOL_ROWS = 10_000;
const BATCH_ROWS = 1_000;
const BLOCK_BYTES = 1 << 20;
const STRINGIFY = {
  escape_formulas: true,
  cast: { boolean: (value) => String(value), object: (value) => JSON.stringify(value) },
};

const ours = (path) => import(pathToFileURL(join(DIST, path)).href);

/** Records counted and looked at: a value that nobody reads need not be made. */
class Tally {
  rows = 0;
  chars = 0;
  add(text) {
    this.rows++;
    this.chars += text.length;
  }
}

const SOURCES = {
  async 'csv-source'(file) {
    const { openSource } = await ours('adapters/sources/open-source.js');
    return () => sourceTally(openSource, file, (value) => value.text);
  },
  async 'json-source'(file) {
    const { openSource } = await ours('adapters/sources/open-source.js');
    return () => sourceTally(openSource, file, (value) => value.params.messages[0].content);
  },
  async 'csv-parse'(file) {
    const { parse } = await import('csv-parse');
    return async () => {
      const tally = new Tally();
      for await (const record of createReadStream(file).pipe(parse({ columns: true }))) tally.add(record.text);
      return tally;
    };
  },
  async 'csv-parse-arrays'(file) {
    const { parse } = await import('csv-parse');
    return async () => {
      const tally = new Tally();
      for await (const cells of createReadStream(file).pipe(parse({ from: 2 }))) tally.add(cells[2]);
      return tally;
    };
  },
  async 'stream-json'(file) {
    const { chain } = await import('stream-chain');
    const { parser } = await import('stream-json');
    const { streamArray } = await import('stream-json/streamers/stream-array.js');
    return async () => {
      const tally = new Tally();
      const elements = chain([createReadStream(file), parser({ streamValues: false }), streamArray()]);
      for await (const { value } of elements) tally.add(value.params.messages[0].content);
      return tally;
    };
  },
};

async function sourceTally(openSource, file, textOf) {
  const tally = new Tally();
  const source = await openSource([file]);
  for await (const records of source.records()) for (const { value } of records) tally.add(textOf(value));
  return tally;
}

const FORMATS = {
  async 'csv-format'(rows) {
    return formatterTally('csv', rows);
  },
  async 'flat-format'(rows) {
    return formatterTally('flat', rows);
  },
  async 'csv-stringify'(rows) {
    const { stringify } = await import('csv-stringify/sync');
    const pool = poolOf(POOL_ROWS).map(rowOf);
    return () => batchesTally(pool, rows, (batch) => stringify(batch, STRINGIFY));
  },
  async 'csv-stringify-lines'(rows) {
    const { stringify } = await import('csv-stringify/sync');
    const pool = poolOf(POOL_ROWS);
    return () => batchesTally(pool, rows, (batch) => stringify(batch.map(rowOf), STRINGIFY));
  },
  async 'csv-stringify-stream'(rows) {
    const { stringify } = await import('csv-stringify');
    const pool = poolOf(POOL_ROWS).map(rowOf);
    return async () => {
      let bytes = 0;
      const count = (chunk, _encoding, done) => done(void (bytes += chunk.length));
      await pipeline(Readable.from(turnsOf(pool, rows)), stringify(STRINGIFY), new Writable({ write: count }));
      return { rows, bytes };
    };
  },
};

function* turnsOf(pool, rows) {
  for (let row = 0; row < rows; row++) yield pool[row % pool.length];
}

async function formatterTally(format, rows) {
  const { createFormatter } = await ours('adapters/sinks/formatter.js');
  const pool = poolOf(POOL_ROWS);
  const formatter = createFormatter({ format, columns: COLUMNS, defuseFormulas: true });
  return () => {
    const block = new Block();
    for (let row = 0; row < rows; row++) block.append(formatter.format(pool[row % pool.length]));
    return { rows, bytes: block.bytes };
  };
}

function batchesTally(pool, rows, textOf) {
  const block = new Block();
  for (let row = 0; row < rows;) {
    const start = row % pool.length;
    const batch = pool.slice(start, start + Math.min(BATCH_ROWS, rows - row));
    block.append(textOf(batch));
    row += batch.length;
  }
  return { rows, bytes: block.bytes };
}

/** Where the text goes as bytes, as on the way to a file: text that nobody encodes may still be a rope of pieces. */
class Block {
  bytes = 0;
  #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #at = 0;
  append(text) {
    if (text.length * 3 > BLOCK_BYTES - this.#at) this.#at = 0;
    const bytes = text.length * 3 > BLOCK_BYTES ? Buffer.from(text).length : this.#block.write(text, this.#at);
    this.#at += bytes;
    this.bytes += bytes;
  }
}

const [task, rows, file] = process.argv.slice(2);
const work = await (SOURCES[task] ? SOURCES[task](file) : FORMATS[task](Number(rows)));
const start = performance.now();
const result = await work();
const workSeconds = (performance.now() - start) / 1000;
writeFileSync('work.json', JSON.stringify({ workSeconds, ...result }));
