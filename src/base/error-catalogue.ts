/**
 * Every error code that batchrun can show, with its exit code and what a person does next.
 *
 * Exit codes are a contract (README, "Exit codes"): 1 a bug or an unexpected failure, 2 refused before anything
 * was sent, 4 not finished, 5 a person must act, 6 another process drives this state. Codes are never reused or removed.
 */

export interface CatalogueEntry {
  readonly exit: 1 | 2 | 4 | 5 | 6;
  readonly hint: string;
}

export const ERROR_CATALOGUE = {
  E_BUG: {
    exit: 1,
    hint: 'This is a bug in batchrun. Nothing is lost: the state is kept. Run the command again; if it happens again, report it with the output of `batchrun doctor`.',
  },
  E_USAGE: { exit: 2, hint: 'See `batchrun --help`, or `batchrun <command> --help`.' },
  E_CONFIG: { exit: 2, hint: 'Mend the value that the message names and run the command again.' },
  E_INPUT_MISSING: { exit: 2, hint: 'Check the path of the input file.' },
  E_INPUT_FORMAT: { exit: 2, hint: 'Say what it is with --input-format jsonl, csv or json.' },
  E_INPUT_EMPTY: { exit: 2, hint: 'Check that the input file is the one you meant and that it has rows.' },
  E_INPUT_INVALID: {
    exit: 2,
    hint: 'Mend the rows and submit again, or send the good ones with --on-invalid skip.',
  },
  E_TEMPLATE: { exit: 2, hint: 'Check the placeholders of --prompt against the columns of the input.' },
  E_SCHEMA: {
    exit: 2,
    hint: 'Mend the place in the file of --schema that the message names, and run the command again. Nothing was sent.',
  },
  E_NO_MODEL: { exit: 2, hint: 'Give a model with --model.' },
  E_NO_PROMPT: { exit: 2, hint: 'Say with --prompt how a row becomes a message.' },
  E_MODEL_RETIRED: { exit: 2, hint: 'Choose a model that is still served.' },
  E_PREFLIGHT: {
    exit: 2,
    hint: 'Mend what the API refuses, or leave the asking out with --no-preflight.',
  },
  E_CREDENTIALS: {
    exit: 2,
    hint: 'Set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN), and run `batchrun doctor` to see what is found.',
  },
  E_ORIGIN: {
    exit: 2,
    hint: 'Set ANTHROPIC_BASE_URL to what it was when the run was submitted, or use another --state folder. Where the old address was a mistake, set it once more for `batchrun cancel <run>`: that gives the run up.',
  },
  E_OUTPUT_TAKEN: { exit: 2, hint: 'Give another file with --output, or allow it with --overwrite.' },
  E_NOT_CONFIRMED: { exit: 2, hint: 'Add --yes to go on without a question.' },
  E_RUN_UNKNOWN: { exit: 2, hint: '`batchrun list` shows the runs of this state folder.' },
  E_RUN_AMBIGUOUS: { exit: 2, hint: 'Give more characters of the run id, or its --name.' },
  E_CHUNK_UNKNOWN: { exit: 2, hint: '`batchrun status` names the chunks that wait for a person.' },
  E_RESOLVE: {
    exit: 2,
    hint: '`batchrun status` names the chunks in doubt, `batchrun log <run>` says what happened to them, and the Console shows the batches.',
  },
  E_ADOPT: {
    exit: 2,
    hint: 'Give the batch, and with --input (and --limit, --id-column) exactly the rows that it was made of.',
  },
  E_RUN_NOT_DONE: { exit: 2, hint: '`batchrun collect` brings it to its end; `batchrun cancel` stops it.' },
  E_STATE_UNUSABLE: {
    exit: 1,
    hint: 'Check that the state folder can be written: its owner, its permissions, its disk. Another one (--state DIR) is for new work only: what was submitted from here would be sent and paid again.',
  },
  E_STATE_NEWER: {
    exit: 1,
    hint: 'The state was written by a newer batchrun: update this one. Nothing was changed.',
  },
  E_STATE_CORRUPT: {
    exit: 1,
    hint: 'Bring the named file back as it was and run the command again. Nothing was sent with what is left of it; do not delete it while batches may be running.',
  },
  E_NATIVE_MODULE: {
    exit: 1,
    hint: 'With the same Node, in the folder that batchrun was installed in: `npm rebuild better-sqlite3` (where npm runs no install scripts, first `npm install-scripts approve better-sqlite3`). Installed with -g: `npm rebuild -g better-sqlite3 --allow-scripts=better-sqlite3`. Without a prebuilt one for this machine it takes python3, make and g++.',
  },
  E_FILE: { exit: 1, hint: 'Check the path and its permissions, then run the command again: the work goes on.' },
  E_DISK_FULL: { exit: 1, hint: 'Free some space and run the command again: the work goes on where it stopped.' },
  E_METRICS_PORT: {
    exit: 2,
    hint: 'Give another port with --metrics-port, or 0 for a free one, and run the command again.',
  },
  E_WEB_PORT: {
    exit: 2,
    hint: 'Give another port with --port, or 0 for a free one, and run the command again.',
  },
  E_FENCED: {
    exit: 6,
    hint: 'Another process took this state over while this one was stopped. It goes on with the work: `batchrun status`.',
  },
  E_LOCKED: {
    exit: 6,
    hint: 'Wait for it, or use --retry-lock 10m to wait here, or --skip-if-locked to leave it to the other process.',
  },
  E_TRANSITION: {
    exit: 1,
    hint: 'The state was changed by something else. Run the command again; if it happens again, report it with `batchrun log`.',
  },
  E_API: { exit: 1, hint: 'Run the command again: the work goes on where it stopped.' },
  E_API_UNREACHABLE: {
    exit: 4,
    hint: 'Check the network and the base URL (`batchrun doctor`), then run the command again: the work goes on.',
  },
  E_BLOCKED: {
    exit: 5,
    hint: 'Do what `blocked` of the run says (`batchrun status` shows it), then drive the run again: the work goes on.',
  },
  E_NOT_FINISHED: { exit: 4, hint: 'Run `batchrun collect` again: it goes on where this one stopped.' },
} as const satisfies Record<string, CatalogueEntry>;
