/**
 * Under which heading help, the manual page and completions show each flag. A flag without a group is one that somebody
 * forgot: program.test.ts fails.
 */
import type { FlagName } from './option-table.ts';

/** In the order in which help shows them. */
export const FLAG_GROUPS: Readonly<Record<string, readonly FlagName[]>> = {
  'Which runs and rows:': ['only', 'row', 'tail', 'watch', 'keepLast', 'keepWithin', 'remote', 'stateOnly', 'input'],
  'Settle a doubt:': ['chunk', 'batch', 'notCreated', 'lost'],
  'The load:': [
    ...(['users', 'spawnRate', 'thinkTime', 'rate', 'arrivals', 'turns', 'mix', 'stream', 'duration'] as const),
    ...(['maxRequests', 'timeout', 'target'] as const),
  ],
  'Requests from rows:': [
    ...(['model', 'maxTokens', 'system', 'systemFile', 'prompt', 'promptFile', 'params', 'betas'] as const),
    ...(['routes', 'explainRouting', 'schema', 'onSchemaError', 'truncate', 'dropUnsupported'] as const),
  ],
  'Reading the input:': ['inputFormat', 'idColumn', 'onInvalid', 'limit', 'sample', 'shuffle', 'seed'],
  'A job without a file:': ['models', 'tier', 'rows', 'inputTokens', 'outputTokens'],
  'The rehearsal:': ['batchDuration', 'messageLatency', 'nights', 'faults'],
  'Cheaper:': ['cache', 'dedupe', 'reuse', 'batchOnly', 'maxCost', 'budgetMode', 'prices'],
  'Before it is sent:': ['preflight', 'pilot', 'dryRun', 'yes', 'confirmOver'],
  'The output:': ['output', 'format', 'errors', 'overwrite', 'asCompleted', 'defuseFormulas', 'html', 'csv', 'texts'],
  'The run:': ['name', 'again', 'priority', 'deadline', 'realtime', 'chunkSize', 'chunkBytes', 'failIf'],
  'Another try:': ['maxAttempts', 'retryLane', 'retryTruncated', 'backoffBase', 'backoffMax'],
  'Pace and limits:': [
    ...(['concurrency', 'rpm', 'itpm', 'otpm', 'tpm', 'tpd', 'headroom', 'limiter'] as const),
    ...(['maxBatches', 'batchRpm', 'maxQueued'] as const),
  ],
  'Waiting and locks:': [
    ...(['wait', 'once', 'maxWait', 'giveUp', 'pollInterval', 'reconcileGrace', 'retryLock', 'skipIfLocked'] as const),
  ],
  'Telling others:': ['notify', 'notifyCmd', 'notifyOn', 'metricsPort', 'metricsFile'],
  'The page:': ['web', 'host', 'port'],
  'Common:': [
    ...(['state', 'config', 'profile', 'apiKeysEnv', 'json', 'jsonSchema', 'quiet', 'logLevel', 'logFormat'] as const),
    'color',
  ],
};

const HEADINGS = Object.keys(FLAG_GROUPS);
const HEADING_OF = new Map<FlagName, string>(
  Object.entries(FLAG_GROUPS).flatMap(([heading, flags]) => flags.map((flag) => [flag, heading] as const)),
);

export const COMMON_HEADING = 'Common:';

export function headingOf(flag: FlagName): string {
  return HEADING_OF.get(flag) ?? COMMON_HEADING;
}

/** In the order of the headings, and below each as its group lists them. */
export function inGroups(flags: readonly FlagName[]): FlagName[] {
  const place = (flag: FlagName): number => {
    const heading = headingOf(flag);
    return HEADINGS.indexOf(heading) * 1_000 + (FLAG_GROUPS[heading]?.indexOf(flag) ?? 0);
  };
  return [...flags].sort((a, b) => place(a) - place(b));
}
