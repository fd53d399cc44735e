/**
 * What tutorials do without batches: read the file, one `messages.create` per row with fifty at once (p-limit), collect
 * the answers in memory and write them at the end. Full price, no state: `node test/bench/peer-limit.mjs FILE ROWS OUT`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import pLimit from 'p-limit';

const AT_ONCE = 50;

const [file, rows, output] = process.argv.slice(2);
const client = new Anthropic({ apiKey: process.env.ANTHROPIC_API_KEY, baseURL: process.env.ANTHROPIC_BASE_URL });
const limit = pLimit(AT_ONCE);
const requests = readFileSync(file, 'utf8')
  .trimEnd()
  .split('\n')
  .slice(0, Number(rows))
  .map((line) => JSON.parse(line));
const answers = await Promise.all(
  requests.map(({ custom_id, params }) =>
    limit(async () => ({ custom_id, message: await client.messages.create(params) })),
  ),
);
writeFileSync(output, `${answers.map((answer) => JSON.stringify(answer)).join('\n')}\n`);
