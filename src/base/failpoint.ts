/**
 * Named places where a test can make the process die or fail.
 *
 * One stands at every durable edge: between two steps of which the first is on disk and the second is not yet.
 * Nobody arms them in production; an unarmed failpoint costs one comparison. BATCHRUN_FAILPOINT in the
 * environment of the built command line arms one (cli/main.ts), so that real processes can be killed there.
 */

/** Each name says what is durable before it and what is not yet after it. */
export const FAILPOINTS = {
  'ingest.chunk_file': 'a sealed chunk file is in place; the ledger does not know it yet',
  'ingest.ready': 'all chunks are in the ledger; the run is still ingesting',
  'submit.attempt': 'the attempt is committed; nothing was sent',
  'submit.body_complete': 'body_complete is committed; the last bytes of the body are not sent',
  'submit.answered': 'the API has answered; the answer is not committed',
  'submit.recorded': 'the batch id is committed; nobody was told',
  'cache.claimed': 'a warm-up of the prompt cache is written down with what it may cost; it was not called',
  'cache.answered': 'a warm-up was answered, and the prefix is in the cache; its usage is not in the ledger',
  'poll.ended': 'the end of a batch is committed; its results are not fetched',
  'collect.results_file': 'the whole result file is in place; the ledger does not know it',
  'collect.checkpoint': 'the outcomes of a chunk are committed; nothing was printed of them',
  'copy.results_file': 'the answers of a copy chunk are in place, copied; the ledger does not know them',
  'copy.recorded': 'the outcomes of a copy chunk are committed; nothing was printed of them',
  'hurry.recorded': 'a chunk is marked to go on in the realtime lane; its batch was not asked to stop',
  'retry.chunk_file': 'the file of a retry chunk is in place; the ledger does not know it',
  'retry.realtime_claim': 'rows are committed as in_realtime; no call was made',
  'retry.realtime_answer': 'an answer has arrived; it is not in the append log',
  'retry.realtime_log': 'answers are synced in the append log; the ledger does not know them',
  'output.temp': 'the output is written and synced under its temporary name; not renamed',
  'output.renamed': 'the output is in place; the run is not marked done',
} as const;

export type FailpointName = keyof typeof FAILPOINTS;

type Action = (name: FailpointName) => void;

let armed: Action | undefined;

/** Call at a durable edge. Does nothing unless a test has armed it. */
export function failpoint(name: FailpointName): void {
  armed?.(name);
}

/** Arms every failpoint with one action; undefined disarms. The action may throw or kill the process. */
export function armFailpoints(action: Action | undefined): void {
  armed = action;
}
