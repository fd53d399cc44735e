/**
 * Vercel's AI SDK with its (experimental) batches, as its documentation shows them: read the file, start a batch, keep
 * its reference; then iterate the results into a file. No chunks but the API's own limit, no state, no order.
 * `node test/bench/peer-ai.mjs FOLDER submit|collect FILE`; FOLDER is where ai-sdk.mjs has installed it.
 */
import { once } from 'node:events';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, what, file] = process.argv.slice(2);
const installed = createRequire(join(folder, 'package.json'));
const load = (name) => import(pathToFileURL(installed.resolve(name)).href);
const { experimental_startBatch: startBatch, experimental_getBatchResults: getBatchResults } = await load('ai');
const { createAnthropic } = await load('@ai-sdk/anthropic');

const BATCH_ROWS = 100_000;
const BLOCK_BYTES = 1 << 20;
const provider = createAnthropic({
  apiKey: process.env.ANTHROPIC_API_KEY,
  baseURL: `${process.env.ANTHROPIC_BASE_URL}/v1`,
});

if (what === 'submit') {
  const requests = readFileSync(file, 'utf8').trimEnd().split('\n').map(requestOf);
  const references = [];
  for (let at = 0; at < requests.length; at += BATCH_ROWS) {
    const { id, ...rest } = await startBatch({ provider, requests: requests.slice(at, at + BATCH_ROWS) });
    references.push({ id, ...rest });
  }
  writeFileSync('ai-batches.json', JSON.stringify(references));
} else {
  const out = createWriteStream('ai-results.jsonl', { highWaterMark: BLOCK_BYTES });
  for (const batch of JSON.parse(readFileSync('ai-batches.json', 'utf8'))) {
    for await (const result of getBatchResults({ provider, batch })) {
      if (!out.write(`${JSON.stringify(result)}\n`)) await once(out, 'drain');
    }
  }
  await new Promise((resolve) => out.end(resolve));
}

function requestOf(line) {
  const { custom_id: id, params } = JSON.parse(line);
  return {
    id,
    type: 'text',
    model: params.model,
    maxOutputTokens: params.max_tokens,
    prompt: params.messages[0].content,
  };
}
