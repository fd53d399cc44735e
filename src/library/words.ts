/**
 * Messages and hints of the engine are written for the command line: they name its flags and its commands. On their way
 * to a program they name options and methods instead. What only a command can do keeps its command: it works on the same
 * state folder.
 */
import { BatchrunError, isBatchrunError, type ErrorCode } from '../base/errors.ts';
import { ERROR_CATALOGUE } from '../base/error-catalogue.ts';

/** General hints that say something else to a program. */
const HINTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  E_USAGE: 'The options are described in `.github/docs/library.md`, and their types say what they take.',
  E_CREDENTIALS:
    'Pass `apiKey`, or set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN); the command `batchrun doctor` shows what is found.',
  E_ORIGIN: 'Pass the `baseUrl` (or ANTHROPIC_BASE_URL) of when the run was submitted, or use another `state` folder.',
  E_RUN_UNKNOWN: '`batchrun.runs()` gives the runs of this state folder.',
  E_RUN_AMBIGUOUS: 'Give more characters of the id of the run, or its name.',
  E_CHUNK_UNKNOWN: '`run.status()` names the chunks that wait for a person.',
  E_RUN_NOT_DONE: '`run.wait()` brings it to its end; `run.cancel()` stops it.',
  E_API: 'Open the state again, or call it again: the work goes on where it stopped.',
  E_FENCED: 'Another process took this state over while this one was stopped. It goes on with the work.',
  E_LOCKED: 'Wait for it, or pass `retryLockMs` to wait here; `details.driver` says which process it is.',
  E_BLOCKED: 'Do what `details.blocked` says, then call `run.wait()` again: the work goes on.',
  E_NOT_FINISHED: 'Call `run.wait()` again, in this process or another: it goes on where this one stopped.',
  E_NATIVE_MODULE:
    'With the same Node, in the folder of your program: `npm rebuild better-sqlite3` (where npm runs no install scripts, first `npm install-scripts approve better-sqlite3`). Without a prebuilt one for this machine it takes python3, make and g++.',
  E_TRANSITION:
    'The state was changed by something else. Open it again; if it happens again, report it with the output of the command `batchrun log`.',
  E_BUG:
    'This is a bug in batchrun. Nothing is lost: the state is kept. Open it again; if it happens again, report it with the output of the command `batchrun doctor`.',
};

/** What a program calls in place of a command. `run` is the run in question. */
const COMMANDS: readonly (readonly [RegExp, string])[] = [
  [/^collect\b.* --max-cost (\S+)$/, 'run.change({ maxCostUsd: $1 })'],
  [/^collect\b.* --pilot (\S+)$/, 'run.change({ pilot: $1 })'],
  [/^collect\b.* --output .*$/, 'batchrun.submit(rows, { output })'],
  [/^collect\b.*$/, 'run.wait()'],
  [/^cancel\b.*$/, 'run.cancel()'],
  [/^retry\b.*$/, 'run.retry()'],
  [/^results\b.* --only (\w+)$/, "run.results({ only: ['$1'] })"],
  [/^results\b.*$/, 'run.results()'],
  [/^status\b.*$/, 'run.status()'],
  [/^list\b.*$/, 'batchrun.runs()'],
  [/^check\b.*$/, 'batchrun.check()'],
];

/** Flags whose values are written otherwise, or that have another name. The first that fits. */
const FLAGS: readonly (readonly [RegExp, string])[] = [
  [/--no-preflight\b/g, '`preflight: false`'],
  [/--on-invalid skip\b/g, "`onInvalid: 'skip'`"],
  [/--budget-mode expected\b/g, "`budgetMode: 'expected'`"],
  [/--pilot (\d+)/g, '`pilot: $1`'],
  [/--max-cost (\d[\d.]*\d|\d)/g, '`maxCostUsd: $1`'],
  [/--sample 0%/g, '`sample: 0`'],
  [/--betas ([\w-]+-\d{4}-\d\d-\d\d)/g, "`betas: ['$1']`"],
  [/ with --prices FILE\b/g, ' to `usePrices`'],
  [/--prices FILE\b/g, '`usePrices`'],
  [/--realtime\b/g, "`lane: 'realtime'`"],
  [/--batch-only\b/g, "`lane: 'batch'`"],
  [/; --explain-routing ROW shows what they do with a row/g, ''],
];

/** Those that are the same word in another spelling are not here. */
const RENAMED: Readonly<Record<string, string>> = {
  'chunk-size': 'chunkRows',
  'max-cost': 'maxCostUsd',
  'poll-interval': 'pollIntervalMs',
  'reconcile-grace': 'reconcileGraceMs',
  'give-up': 'giveUpMs',
  'retry-lock': 'retryLockMs',
};
const SAME =
  /^(?:model|max-tokens|prompt|system|params|betas|schema|id-column|input-format|limit|on-invalid|drop-unsupported|name|again|output|format|errors|overwrite|chunk-bytes|max-attempts|retry-lane|priority|deadline|budget-mode|pilot|retry-truncated|on-schema-error|dedupe|reuse|cache|routes|truncate|sample|shuffle|seed|state|limiter|max-batches|concurrency|headroom|max-queued|batch-rpm)$/;

/** `limiter`: what the option with the address of Redis is called. */
export interface WordsOf {
  readonly limiter?: string;
}

/** The same for a program. A text that names no flag and no command stays as it is. */
export function libraryText(text: string, of: WordsOf = {}): string {
  const parts = text
    .replace(/\b([Rr])un (?=`batchrun collect)/g, (_all, first: string) => (first === 'R' ? 'Call ' : 'call '))
    .replace(/\brun the command again\b/g, 'open the state again')
    .split(/(`batchrun [^`]*`)/);
  return parts.map((part, at) => (at % 2 === 1 ? command(part) : flags(part, of))).join('');
}

function command(quoted: string): string {
  const words = quoted.slice('`batchrun '.length, -1);
  for (const [pattern, call] of COMMANDS) if (pattern.test(words)) return `\`${words.replace(pattern, call)}\``;
  return quoted;
}

function flags(text: string, { limiter = 'limiter' }: WordsOf): string {
  if (!text.includes('--')) return text;
  const named = FLAGS.reduce((all, [pattern, option]) => all.replace(pattern, option), text);
  return named.replace(
    /(?<![\w`-])--([a-z]+(?:-[a-z]+)*)(?: (?:FILE|DIR|N|\d+[smhd])\b)?/g,
    (all: string, flag: string) => {
      if (flag === 'limiter') return `\`${limiter}\``;
      if (flag in RENAMED) return `\`${RENAMED[flag] ?? flag}\``;
      if (!SAME.test(flag)) return all;
      return `\`${flag.replace(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase())}\``;
    },
  );
}

/** An error as it leaves the library. One that is not of batchrun is the program's own, and stays what it is. */
export function libraryError(error: unknown, of: WordsOf = {}): unknown {
  if (!isBatchrunError(error)) return error;
  const { code, message, hint, details, cause, stack } = error;
  const general = hint === ERROR_CATALOGUE[code].hint ? HINTS[code] : undefined;
  const said = new BatchrunError(code, libraryText(message, of), {
    hint: general ?? libraryText(hint, of),
    details: libraryDetails(details, of),
    ...(cause === undefined ? {} : { cause }),
  });
  if (stack !== undefined) said.stack = stack.replace(message, () => said.message);
  return said;
}

/** Does this, and says what goes wrong in the words of the library. */
export async function inLibraryWords<T>(work: () => Promise<T>, of: WordsOf = {}): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw libraryError(error, of);
  }
}

const TEXTS: readonly string[] = ['message', 'hint'];

/** What is for people in it. Ids, paths and values of rows are left alone. */
export function libraryDetails<T>(details: T, of: WordsOf = {}): T {
  if (Array.isArray(details)) return details.map((one: unknown) => libraryDetails(one, of)) as T;
  if (typeof details !== 'object' || details === null) return details;
  const entries = Object.entries(details).map(([name, value]: [string, unknown]) => {
    if (name === 'mistakes' && Array.isArray(value)) return [name, value.map((one) => libraryText(String(one), of))];
    return [
      name,
      TEXTS.includes(name) && typeof value === 'string' ? libraryText(value, of) : libraryDetails(value, of),
    ];
  });
  return Object.fromEntries(entries) as T;
}
