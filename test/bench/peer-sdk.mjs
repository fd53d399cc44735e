/**
 * The SDK alone, as tutorials use it: read the file, parse it, create batches of 10,000 requests; then iterate the
 * results into a file. No state, no checks, no order. `node test/bench/peer-sdk.mjs submit|collect FILE`.
 */
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';

const [what, file] = process.argv.slice(2);
const client = new Anthropic({ apiKey: process.env.ANTHROPIC_API_KEY, baseURL: process.env.ANTHROPIC_BASE_URL });
const BATCH_ROWS = 10_000;

if (what === 'submit') {
  const requests = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const ids = [];
  for (let at = 0; at < requests.length; at += BATCH_ROWS) {
    ids.push((await client.messages.batches.create({ requests: requests.slice(at, at + BATCH_ROWS) })).id);
  }
  writeFileSync('sdk-batches.json', JSON.stringify(ids));
} else {
  const out = createWriteStream('sdk-results.jsonl');
  for (const id of JSON.parse(readFileSync('sdk-batches.json', 'utf8'))) {
    for await (const result of await client.messages.batches.results(id)) out.write(`${JSON.stringify(result)}\n`);
  }
  await new Promise((resolve) => out.end(resolve));
}
