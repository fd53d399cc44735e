/**
 * What no program of this kind can be faster than, each in a process of its own: `parse` reads a file and parses every
 * line once; `write` writes its bytes to another file and syncs it. `node test/bench/floor.mjs parse|write FILE [OUT]`.
 */
import { open } from 'node:fs/promises';

const [kind, input, output] = process.argv.slice(2);
const BLOCK_BYTES = 1 << 20;

if (kind === 'parse') await parse();
else await write();

async function parse() {
  const file = await open(input);
  let rest = '';
  let rows = 0;
  for await (const piece of file.createReadStream({ highWaterMark: BLOCK_BYTES, encoding: 'latin1' })) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop();
    for (const line of lines) rows += JSON.parse(line) === undefined ? 0 : 1;
  }
  if (rest !== '') JSON.parse(rest);
  if (rows === 0) throw new Error(`${input} has no rows`);
}

async function write() {
  const [from, to] = [await open(input), await open(output, 'w')];
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  for (;;) {
    const { bytesRead } = await from.read(block, 0, BLOCK_BYTES, null);
    if (bytesRead === 0) break;
    await to.write(block, 0, bytesRead);
  }
  await to.sync();
  await to.close();
  await from.close();
}
