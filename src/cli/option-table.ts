/**
 * Every flag of batchrun in one table: its name, what it means, how it is read and which commands take it. Help,
 * environment variables (BATCHRUN_*), the configuration file and the README's table are made from it or held to it.
 */
import { LOG_LEVELS } from '../base/log.ts';
import { BATCH_BYTES_MAX, BATCH_ROWS_MAX, CHUNK_ROWS_DEFAULT } from '../domain/limits.ts';
import { PRIORITIES } from '../domain/priority.ts';
import { amount, bytes, cap, count, deadline, duration, limiterUrl, list, share } from './option-readers.ts';

export interface FlagSpec {
  readonly flags: string;
  readonly text: string;
  readonly read?: (text: string) => unknown;
  readonly choices?: readonly string[];
  readonly default?: unknown;
  /** How help shows the default. */
  readonly defaultText?: string;
}

export const FLAG_SPECS = {
  state: { flags: '--state <dir>', text: 'the state folder', default: '.batchrun' },
  config: {
    flags: '--config <file>',
    text: 'a JSON file with values for flags (default: batchrun.config.json if there)',
  },
  apiKeysEnv: {
    flags: '--api-keys-env <names>',
    text: 'environment variables with the keys of a pool (default: ANTHROPIC_API_KEYS, else ANTHROPIC_API_KEY)',
    read: list,
  },
  json: { flags: '--json', text: 'one JSON object on stdout (log: one a line)' },
  quiet: { flags: '-q, --quiet', text: 'only errors on stderr' },
  logLevel: {
    flags: '--log-level <level>',
    text: 'how much of the log is shown',
    choices: LOG_LEVELS,
    default: 'warn',
  },
  logFormat: {
    flags: '--log-format <format>',
    text: 'the log as text or JSON lines',
    choices: ['text', 'json'],
    default: 'text',
  },
  color: { flags: '--no-color', text: 'no colours (as with NO_COLOR)' },
  output: {
    flags: '-o, --output <file>',
    text: 'where the results go; - is stdout; {run} and {date} are filled in (default: <input>.results.<ext>; export: stdout)',
  },
  format: {
    flags: '--format <format>',
    text: "jsonl is the API's own line shape; flat and csv are one record a row with text, usage, cost and the input's columns (default: jsonl)",
    choices: ['jsonl', 'flat', 'csv'],
  },
  errors: {
    flags: '--errors <file>',
    text: 'the rows that did not succeed, with reason and request: can be submitted again',
  },
  overwrite: { flags: '--overwrite', text: 'an output that exists may be replaced' },
  defuseFormulas: { flags: '--no-defuse-formulas', text: 'leave CSV cells that a spreadsheet would run as they are' },
  name: { flags: '--name <name>', text: 'a label; the same content under another name is another run' },
  again: { flags: '--again', text: 'a new run although the same exists' },
  limit: { flags: '--limit <n>', text: 'only the first n rows', read: count(1) },
  dryRun: {
    flags: '--dry-run',
    text: 'show what would happen (counts, cost, the first request); send and delete nothing',
  },
  model: { flags: '--model <id>', text: 'the model of rows that name none' },
  maxTokens: { flags: '--max-tokens <n>', text: 'max_tokens of rows that have none', read: count(1) },
  system: { flags: '--system <text>', text: 'the system prompt of rows without one; may hold {{column}}' },
  systemFile: { flags: '--system-file <file>', text: 'the same from a file' },
  prompt: { flags: '--prompt <text>', text: 'the user message of a row, with {{column}} filled in' },
  promptFile: { flags: '--prompt-file <file>', text: 'the same from a file' },
  params: { flags: '--params <json>', text: "further params as JSON; a row's own win" },
  betas: { flags: '--betas <list>', text: 'beta headers, separated by commas', read: list },
  inputFormat: {
    flags: '--input-format <format>',
    text: 'what the input is, where that is not clear',
    choices: ['jsonl', 'csv', 'json'],
  },
  idColumn: { flags: '--id-column <name>', text: 'the column or field with the row ids (default: custom_id)' },
  dropUnsupported: {
    flags: '--drop-unsupported',
    text: 'leave out params that the API refuses (temperature, top_p, top_k, …)',
  },
  onInvalid: {
    flags: '--on-invalid <mode>',
    text: 'rows that cannot be sent: refuse all, or skip and report them',
    choices: ['fail', 'skip'],
    default: 'fail',
  },
  chunkSize: {
    flags: '--chunk-size <n>',
    text: 'rows in one batch',
    read: count(1, BATCH_ROWS_MAX),
    default: CHUNK_ROWS_DEFAULT,
  },
  chunkBytes: {
    flags: '--chunk-bytes <n>',
    text: 'bytes in one batch',
    read: bytes,
    default: BATCH_BYTES_MAX,
    defaultText: '256MB',
  },
  maxBatches: { flags: '--max-batches <n>', text: 'batches open at once', read: count(1), default: 100 },
  batchRpm: { flags: '--batch-rpm <n>', text: 'calls of the Message Batches API a minute at most', read: count(1) },
  maxQueued: { flags: '--max-queued <n>', text: 'requests in batches under way at most', read: count(1) },
  concurrency: {
    flags: '--concurrency <n>',
    text: 'realtime calls at once at most; the limits decide how many really are under way',
    read: count(1, 1_000),
    default: 50,
  },
  rpm: { flags: '--rpm <n>', text: 'realtime calls a minute at most, below the limit of the account', read: count(1) },
  itpm: { flags: '--itpm <n>', text: 'input tokens a minute at most, likewise', read: count(1) },
  otpm: { flags: '--otpm <n>', text: 'output tokens a minute at most, likewise', read: count(1) },
  tpm: { flags: '--tpm <n>', text: 'tokens a minute at most, input and output together', read: count(1) },
  tpd: { flags: '--tpd <n>', text: 'tokens a day at most, input and output together', read: count(1) },
  headroom: {
    flags: '--headroom <percent>',
    text: 'the share of each limit that is left to other users of the account, for example 10%',
    read: share,
  },
  limiter: {
    flags: '--limiter <url>',
    text: 'a Redis (redis://…) in which several processes and machines share the limits of the account',
    read: limiterUrl,
  },
  priority: {
    flags: '--priority <level>',
    text: 'which run goes first where there is not room for all; what waits moves up (default: normal)',
    choices: PRIORITIES,
  },
  deadline: {
    flags: '--deadline <when>',
    text: 'when the results are needed (06:00, 4h, 2026-11-22T06:00Z, none): rows wait for batches while there is time, then go realtime',
    read: deadline,
  },
  realtime: { flags: '--realtime', text: 'every row as a realtime call, at the full price' },
  batchOnly: { flags: '--batch-only', text: 'every row in a batch, what is tried again too' },
  maxCost: {
    flags: '--max-cost <usd>',
    text: 'stop before the run has cost more (exit 5), and say what is left undone; none: no cap',
    read: cap,
  },
  budgetMode: {
    flags: '--budget-mode <mode>',
    text: 'what --max-cost sets aside before something is sent: the most that it can cost, or what answers cost so far, which may overshoot (default: worst)',
    choices: ['worst', 'expected'],
  },
  retryTruncated: {
    flags: '--retry-truncated <n>',
    text: 'ask again up to n times, with twice the max_tokens, where an answer was cut by it (default: 0)',
    read: count(0, 20),
  },
  prices: { flags: '--prices <file>', text: 'prices of models as JSON, in place of those of the built-in table' },
  maxAttempts: {
    flags: '--max-attempts <n>',
    text: 'tries of a row, both lanes together',
    read: count(1, 100),
    default: 4,
  },
  retryLane: {
    flags: '--retry-lane <mode>',
    text: 'where rows are tried again: auto sends few at once realtime and many as a batch',
    choices: ['auto', 'batch', 'realtime', 'none'],
    default: 'auto',
  },
  pollInterval: {
    flags: '--poll-interval <duration>',
    text: 'how often batches are looked at; grows with their age',
    read: duration,
    default: 30_000,
    defaultText: '30s',
  },
  reconcileGrace: {
    flags: '--reconcile-grace <duration>',
    text: 'how long a batch in doubt may take to show in the list',
    read: duration,
    default: 600_000,
    defaultText: '10m',
  },
  wait: { flags: '--wait', text: 'go on as collect' },
  once: { flags: '--once', text: 'a single pass, then exit (4 while something is left)' },
  maxWait: {
    flags: '--max-wait <duration>',
    text: 'stop after this long (exit 4); the work goes on with the next command',
    read: duration,
  },
  giveUp: {
    flags: '--give-up <duration>',
    text: 'how long an API that cannot be reached is tried (exit 4)',
    read: duration,
    default: 3_600_000,
    defaultText: '1h',
  },
  backoffBase: {
    flags: '--backoff-base <duration>',
    text: 'the first wait after a passing failure is up to so long, each later one up to twice the one before',
    read: duration,
    default: 1_000,
    defaultText: '1s',
  },
  backoffMax: {
    flags: '--backoff-max <duration>',
    text: 'no wait of our own is longer; what the API asks for is always kept',
    read: duration,
    default: 60_000,
    defaultText: '1m',
  },
  retryLock: {
    flags: '--retry-lock <duration>',
    text: 'wait so long for another process to finish',
    read: duration,
    default: 0,
    defaultText: '0s',
  },
  skipIfLocked: { flags: '--skip-if-locked', text: 'exit 0 when another process drives this state' },
  metricsPort: {
    flags: '--metrics-port <n>',
    text: 'serve Prometheus metrics on http://127.0.0.1:<n>/metrics while this command drives; 0 is a free port',
    read: count(0, 65_535),
  },
  metricsFile: {
    flags: '--metrics-file <file>',
    text: 'write Prometheus metrics to this file every 10 s while this command drives, and at its end',
  },
  failIf: {
    flags: '--fail-if <condition>',
    text: "when a finished run counts as failed, for example 'failed>0.5%' (default: any row)",
  },
  asCompleted: {
    flags: '--as-completed',
    text: 'result lines on stdout as they come; a restart prints from the start',
  },
  yes: { flags: '-y, --yes', text: 'no questions' },
  confirmOver: {
    flags: '--confirm-over <usd>',
    text: 'on a terminal, ask before a run that may cost more',
    read: amount,
    default: 10,
  },
  watch: { flags: '-w, --watch', text: 'show it again and again until the runs are done' },
  only: { flags: '--only <states>', text: 'only rows in these states, separated by commas', read: list },
  row: { flags: '--row <id>', text: 'only the row with this custom_id' },
  keepLast: { flags: '--keep-last <n>', text: 'keep the newest n finished runs', read: count(0) },
  keepWithin: { flags: '--keep-within <duration>', text: 'keep runs that finished within this time', read: duration },
  remote: { flags: '--remote', text: "delete the API's copies of the batches too" },
  stateOnly: { flags: '--state-only', text: 'the ledger, without prompts, answers and keys' },
  chunk: { flags: '--chunk <n>', text: 'the chunk that is settled', read: count(1) },
  batch: { flags: '--batch <id>', text: 'this batch is its' },
  notCreated: { flags: '--not-created', text: 'no batch was made of it: it is sent (again)' },
  lost: { flags: '--lost', text: 'its rows are given up' },
  input: { flags: '--input <file>', text: 'the rows that the batch was made of' },
  tail: { flags: '--tail <n>', text: 'only the last n events', read: count(1) },
} as const satisfies Record<string, FlagSpec>;

export type FlagName = keyof typeof FLAG_SPECS;

/** Flags that every command takes. */
const COMMON: readonly FlagName[] = ['state', 'config', 'quiet', 'logLevel', 'logFormat', 'color'];
const READING: readonly FlagName[] = [
  'model',
  'maxTokens',
  'system',
  'systemFile',
  'prompt',
  'promptFile',
  'params',
  'betas',
  'inputFormat',
  'idColumn',
  'dropUnsupported',
  'onInvalid',
  'limit',
];
const OUTPUT: readonly FlagName[] = ['output', 'format', 'errors', 'overwrite', 'defuseFormulas'];
/** What is wanted of a run; it can be changed later. */
const WISHES: readonly FlagName[] = [
  'priority',
  'deadline',
  'realtime',
  'batchOnly',
  'maxCost',
  'budgetMode',
  'retryTruncated',
];
const SHAPING: readonly FlagName[] = ['name', 'again', 'chunkSize', 'chunkBytes', 'maxAttempts', 'retryLane', 'failIf'];
const DRIVING: readonly FlagName[] = [
  'apiKeysEnv',
  'maxBatches',
  'batchRpm',
  'maxQueued',
  'concurrency',
  'rpm',
  'itpm',
  'otpm',
  'tpm',
  'tpd',
  'headroom',
  'limiter',
  'prices',
  'pollInterval',
  'reconcileGrace',
  'maxWait',
  'giveUp',
  'backoffBase',
  'backoffMax',
  'retryLock',
  'skipIfLocked',
  'metricsPort',
  'metricsFile',
];

/** Which flags each command takes. */
export const COMMAND_FLAGS: Readonly<Record<string, readonly FlagName[]>> = {
  submit: [
    ...READING,
    ...OUTPUT,
    ...SHAPING,
    ...WISHES,
    'dryRun',
    'yes',
    'confirmOver',
    'wait',
    'asCompleted',
    'json',
    ...DRIVING,
    ...COMMON,
  ],
  run: [
    ...READING,
    ...OUTPUT,
    ...SHAPING,
    ...WISHES,
    'dryRun',
    'yes',
    'confirmOver',
    'asCompleted',
    'json',
    ...DRIVING,
    ...COMMON,
  ],
  status: ['json', 'watch', 'prices', ...COMMON],
  collect: [
    'output',
    'format',
    'errors',
    'overwrite',
    ...WISHES,
    'once',
    'failIf',
    'asCompleted',
    'json',
    ...DRIVING,
    ...COMMON,
  ],
  results: ['only', 'row', 'format', 'defuseFormulas', ...COMMON],
  log: ['tail', 'json', ...COMMON],
  audit: ['prices', 'apiKeysEnv', 'json', ...COMMON],
  export: ['stateOnly', 'output', 'overwrite', ...COMMON],
  cancel: ['json', 'failIf', ...DRIVING, ...COMMON],
  retry: ['only', ...WISHES, 'wait', 'failIf', 'json', ...DRIVING, ...COMMON],
  resolve: ['chunk', 'batch', 'notCreated', 'lost', 'json', ...DRIVING, ...COMMON],
  adopt: [
    'input',
    ...READING.filter((flag) => flag !== 'onInvalid'),
    ...OUTPUT,
    'name',
    'again',
    'maxAttempts',
    'retryLane',
    'failIf',
    'wait',
    'json',
    ...DRIVING,
    ...COMMON,
  ],
  list: ['json', ...COMMON],
  limits: ['json', ...COMMON],
  prune: ['keepLast', 'keepWithin', 'dryRun', 'remote', 'apiKeysEnv', 'json', ...COMMON],
  doctor: ['model', 'apiKeysEnv', 'json', ...COMMON],
  sim: COMMON,
  demo: COMMON,
};
