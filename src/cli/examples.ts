/**
 * What help shows below the flags of a command: a few lines that work as they stand, and its exit codes where they mean
 * something of their own.
 */

const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  check: [
    'batchrun check rows.csv                                   the file and its ids',
    "batchrun check rows.csv --model claude-haiku-5-5 --max-tokens 256 --prompt '{{text}}'",
    'batchrun check requests.jsonl --json | jq .problems       all of them, not only the first 20',
  ],
  sample: [
    'batchrun sample rows.csv                                  10 rows, with the header',
    'batchrun sample big.jsonl.gz --sample 1% --seed 7 -o small.jsonl',
    'batchrun sample rows.csv --limit 500 | batchrun run - --input-format csv …',
  ],
  loadtest: [
    'batchrun loadtest                                         10 users for a minute, on a simulator',
    'batchrun loadtest --users 50 --spawn-rate 5 --think-time 1s-5s --turns 4 --stream',
    'batchrun loadtest --rate 1/s-50/s --arrivals steps --duration 2m',
    "batchrun loadtest --target api --model claude-haiku-5-5 --rate 5/s --max-cost 2 --fail-if 'p95>3s' --yes",
  ],
  stats: [
    'batchrun stats rows.results.jsonl',
    'batchrun stats results.csv --json | jq .cost_usd.total',
    'cat downloaded/*.jsonl | batchrun stats -',
  ],
  diff: [
    'batchrun diff haiku.results.jsonl sonnet.results.jsonl',
    'batchrun diff old.csv new.jsonl --json | jq .fields',
  ],
  init: [
    'batchrun init                    asks a few questions',
    'batchrun init --yes              takes the defaults',
  ],
  config: [
    'batchrun config submit',
    'batchrun config run --profile nightly --limit 100         with flags as you would type them',
    'batchrun config --json-schema > batchrun.schema.json',
  ],
};

const EXITS: Readonly<Record<string, string>> = {
  check: 'Exit codes: 0 nothing is wrong, 2 rows cannot be sent or the input cannot be read.',
  loadtest:
    'Exit codes: 0 done, 2 refused and nothing sent, 3 a threshold of --fail-if is passed or nothing succeeded, 130 Ctrl-C.',
  stats: 'Exit codes: 0 all of it was read, 2 some lines could not be read.',
  diff: 'Exit codes: 0 whether they differ or not, 2 some lines could not be read. Needs a temporary folder (TMPDIR) with room for both files.',
};

/** '' for commands that have none. */
export function examplesOf(command: string): string {
  const examples = EXAMPLES[command];
  const exits = EXITS[command];
  const lines = [
    ...(examples ? ['Examples:', ...examples.map((example) => `  $ ${example}`)] : []),
    ...(exits === undefined ? [] : [exits]),
  ];
  return lines.length === 0 ? '' : `\n${lines.join('\n')}`;
}
