/**
 * What help and the manual page show below the flags of a command: a few lines that work as they stand, and its exit codes
 * in its own words.
 */

/** What is typed, and what it is for; '' where that is plain. */
export type Example = readonly [command: string, note: string];

const ASK = "--model claude-haiku-5-5 --max-tokens 256 --prompt 'Classify: {{text}}'";

export const EXAMPLES: Readonly<Record<string, readonly Example[]>> = {
  submit: [
    [`batchrun submit questions.csv ${ASK}`, ''],
    ['batchrun submit requests.jsonl --dry-run', 'what it would cost; sends nothing'],
    ['batchrun submit big.jsonl.gz --name nightly --max-cost 50 --deadline 06:00', ''],
  ],
  collect: [
    ['batchrun collect', 'drives all runs to their end'],
    ['batchrun collect nightly -o labels.csv --format csv', ''],
    ['batchrun collect --once --quiet', 'a single pass, for cron'],
  ],
  run: [
    [`batchrun run questions.csv ${ASK}`, ''],
    [
      "batchrun run nightly.jsonl -o 'results-{date}.jsonl' --quiet",
      'a cron job: says nothing unless something is wrong',
    ],
    ['batchrun run few.jsonl --realtime --concurrency 20', 'now, at the full price'],
    ["jq -c '.[]' rows.json | batchrun run - --input-format jsonl -o - > results.jsonl", ''],
  ],
  status: [
    ['batchrun status', 'the runs that go on, and the last that ended'],
    ['batchrun status --watch', 'the same as a screen that follows them; q leaves it'],
    ["batchrun status nightly --json | jq '.runs[0].rows'", ''],
  ],
  list: [
    ['batchrun list', ''],
    ['batchrun list --json | jq -r \'.runs[] | select(.state != "done") | .id\'', 'those that go on'],
  ],
  results: [
    ['batchrun results latest --only failed', ''],
    ['batchrun results nightly --format csv > nightly.csv', ''],
    ['batchrun results nightly --row customer-4711', ''],
  ],
  log: [
    ['batchrun log latest', ''],
    ['batchrun log nightly --tail 20', ''],
    ['batchrun log latest --json | jq \'select(.event == "rows.retried")\'', ''],
  ],
  limits: [
    ['batchrun limits', ''],
    ["batchrun limits --json | jq '.limits[].limits'", ''],
  ],
  serve: [
    ['batchrun serve', 'a page on http://127.0.0.1:7700'],
    ['batchrun serve --port 0', 'a free port'],
  ],
  report: [
    ['batchrun report run', 'one HTML file on the newest run'],
    ['batchrun report run nightly -o nightly.html', ''],
  ],
  audit: [
    ['batchrun audit', ''],
    ["batchrun audit nightly --json | jq '.findings'", ''],
  ],
  export: [['batchrun export nightly --state-only > nightly.ledger.jsonl', 'no prompts, answers or keys']],
  cancel: [['batchrun cancel latest', '']],
  retry: [
    ['batchrun retry nightly', 'all rows that did not succeed'],
    ['batchrun retry nightly --only failed,expired --wait', ''],
  ],
  resolve: [
    ['batchrun resolve latest --chunk 3 --batch msgbatch_01ABC', ''],
    ['batchrun resolve latest --chunk 3 --not-created', 'it is sent again'],
  ],
  adopt: [['batchrun adopt msgbatch_01ABC --input requests.jsonl --wait', '']],
  prune: [
    ['batchrun prune --keep-last 10 --dry-run', 'what would go'],
    ['batchrun prune --keep-within 30d --keep-last 10', ''],
  ],
  plan: [
    [`batchrun plan questions.csv ${ASK}`, ''],
    ['batchrun plan requests.jsonl --models claude-haiku-5-5,claude-sonnet-5-5 --html plan.html', ''],
    ['batchrun plan --rows 1e6 --input-tokens 400 --output-tokens 80 --model claude-haiku-5-5', 'without a file'],
  ],
  rehearse: [['batchrun rehearse requests.jsonl --deadline 6h --nights 20 --faults heavy', '']],
  advise: [[`batchrun advise questions.csv ${ASK}`, '']],
  check: [
    ['batchrun check rows.csv', 'the file and its ids'],
    [`batchrun check rows.csv ${ASK}`, ''],
    ['batchrun check requests.jsonl --json | jq .problems', 'all of them, not only the first 20'],
  ],
  sample: [
    ['batchrun sample rows.csv', '10 rows, with the header'],
    ['batchrun sample big.jsonl.gz --sample 1% --seed 7 -o small.jsonl', ''],
    [`batchrun sample rows.csv --limit 500 | batchrun run - --input-format csv -o try.jsonl ${ASK}`, ''],
  ],
  loadtest: [
    ['batchrun loadtest --users 20 --duration 30s', 'on a simulator of its own'],
    ['batchrun loadtest --users 50 --spawn-rate 5 --think-time 1s-5s --turns 4 --stream', ''],
    ['batchrun loadtest --rate 1/s-50/s --arrivals steps --duration 5m', 'looks for the knee'],
    ["batchrun loadtest prompts.jsonl --target api --max-cost 2 --fail-if 'p95>2s,error_rate>1%' --yes", 'in CI'],
  ],
  sim: [
    ['batchrun sim --port 8787', ''],
    ['ANTHROPIC_BASE_URL=http://127.0.0.1:8787 ANTHROPIC_API_KEY=any batchrun run rows.jsonl', 'beside it'],
  ],
  demo: [['batchrun demo', '']],
  stats: [
    ['batchrun stats rows.results.jsonl', ''],
    ['batchrun stats results.csv --json | jq .cost_usd.total', ''],
    ['cat downloaded/*.jsonl | batchrun stats -', ''],
  ],
  diff: [
    ['batchrun diff haiku.results.jsonl sonnet.results.jsonl', ''],
    ['batchrun diff old.csv new.jsonl --json | jq .fields', ''],
  ],
  init: [
    ['batchrun init', 'asks a few questions'],
    ['batchrun init --yes', 'takes the defaults'],
  ],
  config: [
    ['batchrun config submit', ''],
    ['batchrun config run --profile nightly --limit 100', 'with flags as you would type them'],
    ['batchrun config --json-schema > batchrun.schema.json', 'for editors'],
  ],
  doctor: [
    ['batchrun doctor', ''],
    ['batchrun doctor --model claude-sonnet-5-5', ''],
  ],
  completions: [
    ['batchrun completions bash > ~/.local/share/bash-completion/completions/batchrun', ''],
    // eslint-disable-next-line no-template-curly-in-string
    ['batchrun completions zsh > "${fpath[1]}/_batchrun"', 'a folder of $fpath that you may write'],
    ['batchrun completions fish > ~/.config/fish/completions/batchrun.fish', ''],
    ['source <(batchrun completions bash)', 'for this shell alone'],
  ],
};

const DRIVES =
  '0 complete, 3 rows did not succeed (--fail-if), 4 something is left, 5 blocked: the message says what to do, 6 another process drives.';
const READS = '0, or 2 where there is no such run.';

export const EXITS: Readonly<Record<string, string>> = {
  submit:
    '0 accepted (also where another process drives), 2 refused, and nothing was sent, 4 accepted, and the API cannot be reached, 5 blocked. With --wait as collect.',
  collect: DRIVES,
  run: `${DRIVES} 2 refused, and nothing was sent.`,
  status: `${READS} With --watch also 130 after Ctrl-C.`,
  list: '0.',
  results: READS,
  log: READS,
  limits: '0.',
  serve: '130 after Ctrl-C, 2 the port is taken.',
  report: READS,
  audit:
    '0 all agrees, 3 something is off, 4 the API could not be asked for everything, 5 it refuses the key, 2 no such run.',
  export: READS,
  cancel: '0 canceled, 4 something is left, 5 blocked, 6 another process drives, 2 no such run.',
  retry:
    '0 the rows are on their way, or with --wait as collect; 2 the run still goes on, or no such run; 6 another process drives.',
  resolve: '0 settled, 2 the chunk is not in doubt, or the batch is not its own; 6 another process drives.',
  adopt: '0 followed, or with --wait as collect; 2 the input is not the one of the batch, 4 the API cannot be reached.',
  prune: '0, or 2 where a run still goes on.',
  plan: '0, or 2 where the input cannot be read.',
  rehearse: '0 whatever was found, 2 the input cannot be read.',
  advise: '0, or 2 where the input cannot be read.',
  check: '0 nothing is wrong, 2 rows cannot be sent or the input cannot be read.',
  sample: '0, or 2 where the input cannot be read.',
  loadtest:
    '0 done, 3 a threshold of --fail-if is passed or nothing succeeded, 2 refused and nothing sent, 130 Ctrl-C.',
  sim: '130 after Ctrl-C, 2 the port is taken.',
  demo: '0.',
  stats: '0 all of it was read, 2 some lines could not be read.',
  diff: '0 whether they differ or not, 2 some lines could not be read. Needs a temporary folder (TMPDIR) with room for both files.',
  init: '0 written, 2 there is a file already (--overwrite).',
  config: '0, or 2 where a value cannot be read.',
  doctor: '0 all is well, or with warnings; 2 something is wrong.',
  completions: '0, or 2 for a shell that is not known.',
};
