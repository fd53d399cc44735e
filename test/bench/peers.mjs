/**
 * What batchrun is measured beside: other ways to send the same rows to the same sink, each in a process of its own. And
 * those that cannot be run here, with figures from elsewhere, said to be so.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { AI_SDK, installAiSdk } from './ai-sdk.mjs';
import { script } from './places.mjs';

/** One call per row takes a hundred times as long as a batch: so many rows stand for all. */
const LIMIT_ROWS_MAX = 20_000;

const MACHINE = '100,000 rows, 94 MB, 2 cores, measured on another machine of the same kind';

/** Anchors, as they were measured once: name, submit, collect, memory. */
const QUOTED = [
  ['BatchWizard (Python)', '4.7 s', '5.8 s, unordered', '632 / 104 MB'],
  ['batchor (Python)', '144.5 s', '3.2 + 7.6 s', '236 / 1,560 MB'],
];
const QUOTED_AI = ['Vercel AI SDK 7', '2.5 s', '1.5 s, in memory, no state', '895 / 850 MB'];

/** Peers that can be run, and the lines that are quoted for the rest. */
export function findPeers(rows) {
  const folder = installAiSdk();
  return {
    run: (input, measureIn, where) => runPeers({ input, rows, folder, measureIn, where }),
    notes: notesOf(rows, folder !== null),
    quoted: folder === null ? [...QUOTED, QUOTED_AI] : QUOTED,
  };
}

/** By name: what each cost. */
async function runPeers({ input, rows, folder, measureIn, where }) {
  const costs = {};
  costs['SDK: create'] = await measureIn([script('peer-sdk.mjs'), 'submit', input]);
  costs['SDK: results'] = await measureIn([script('peer-sdk.mjs'), 'collect']);
  if (folder !== null) {
    costs[`${AI_SDK}: submit`] = await measureIn([script('peer-ai.mjs'), folder, 'submit', input]);
    costs[`${AI_SDK}: results`] = await measureIn([script('peer-ai.mjs'), folder, 'collect']);
  }
  const limited = Math.min(rows, LIMIT_ROWS_MAX);
  const output = join(where, 'limited.jsonl');
  const cost = await measureIn([script('peer-limit.mjs'), input, String(limited), output]);
  const times = rows / limited;
  const name = times === 1 ? '' : `, ${count(limited)} rows x ${times.toFixed(1)}`;
  costs[`SDK: realtime, p-limit(50)${name}`] = {
    ...{ seconds: cost.seconds * times, cpuSeconds: cost.cpuSeconds * times, peakMb: cost.peakMb },
  };
  for (const name of ['limited.jsonl', 'sdk-results.jsonl', 'ai-results.jsonl'])
    rmSync(join(where, name), { force: true });
  return costs;
}

function count(value) {
  return value.toLocaleString('en');
}

function notesOf(rows, hasAiSdk) {
  const limited = Math.min(rows, LIMIT_ROWS_MAX);
  const notes = [];
  if (limited < rows) {
    const times = (rows / limited).toFixed(1);
    notes.push(
      `p-limit(50) ran ${count(limited)} rows; its seconds are shown ${times} times, as for ${count(rows)}. Its memory is not.`,
    );
  }
  if (!hasAiSdk) notes.push(`${AI_SDK}: not installed here.`);
  notes.push(`Not run here, quoted: submit, collect, memory (${MACHINE}):`);
  return notes;
}
