/**
 * The names that stand in `event` of every JSON line on stderr (`--log-format json`) and of `batchrun log --json`. Scripts
 * and dashboards rely on them: names may be added, never renamed. The table in .github/docs/events.md is held to this one.
 */
import type { LogLevel } from '../base/log.ts';
import type { EngineEvent } from './events.ts';

export interface LogEvent {
  readonly level: Exclude<LogLevel, 'silent'>;
  readonly text: string;
}

/** What the engine tells. What comes by the thousand is for `--log-level debug`. */
export const ENGINE_EVENTS: Readonly<Record<EngineEvent['kind'], LogEvent>> = {
  'ingest.progress': { level: 'debug', text: 'the input is being read' },
  'upload.started': { level: 'debug', text: 'a chunk begins to go out' },
  'upload.done': { level: 'info', text: 'a chunk is a batch now' },
  'upload.waits': { level: 'warn', text: 'a chunk was not accepted and goes again later' },
  'upload.uncertain': { level: 'warn', text: 'a create got no clear answer: its batch is looked for' },
  'chunk.split': { level: 'warn', text: 'a chunk was refused and is cut into smaller ones' },
  'reconcile.found': { level: 'info', text: 'the batch of a chunk in doubt was made and is used' },
  'reconcile.not_made': { level: 'info', text: 'the batch of a chunk in doubt was surely not made' },
  'batch.ended': { level: 'info', text: 'a batch has ended' },
  'chunk.lost': { level: 'error', text: 'the results of a chunk are gone; its rows failed' },
  'batch.disproved': { level: 'warn', text: 'a batch is not the one of its chunk' },
  'chunk.released': { level: 'info', text: 'rows of a chunk are called one by one' },
  'pilot.passed': { level: 'info', text: 'the pilot is answered and nothing was refused' },
  'batch.hurried': { level: 'info', text: 'a batch is stopped so that its rows make the deadline' },
  'deadline.late': {
    level: 'warn',
    text: 'rows will be late, or make it again (late_rows 0)',
  },
  'batch.canceled': { level: 'info', text: 'a batch is being canceled' },
  'collect.progress': { level: 'debug', text: 'results are being fetched' },
  'collect.refetch': { level: 'warn', text: 'results were not usable and are fetched again' },
  'chunk.collected': { level: 'info', text: 'the results of a chunk are in the ledger' },
  'retry.scheduled': { level: 'info', text: 'a row is tried again' },
  'retry.chunk': { level: 'info', text: 'rows are tried again in a new chunk' },
  'rows.settled': { level: 'debug', text: 'rows of the realtime lane are in the ledger' },
  'call.ended': { level: 'debug', text: 'a call was answered or has failed' },
  'cache.warm': { level: 'info', text: 'what rows share is in the prompt cache' },
  'cache.cold': { level: 'warn', text: 'what rows share could not be brought into the prompt cache' },
  'lane.limited': { level: 'warn', text: 'the realtime lane waits for a limit' },
  'lane.paused': { level: 'warn', text: 'the API wants no realtime calls until then' },
  'api.unreachable': { level: 'warn', text: 'the API does not answer' },
  blocked: { level: 'error', text: 'a run stands still until a person acts' },
  'key.aside': { level: 'warn', text: 'a key of the pool is used no more' },
  'output.progress': { level: 'debug', text: 'the output is being written' },
  'output.written': { level: 'info', text: 'the output is in place' },
  'run.done': { level: 'info', text: 'a run has come to its end' },
  waiting: { level: 'debug', text: 'nothing to do until then' },
  changed: { level: 'debug', text: 'a round is over' },
};

/** What else stands in the log. */
export const LOG_EVENTS = {
  message: { level: 'info', text: 'what a person would be told, in words' },
  error: { level: 'error', text: 'the command ends with this error' },
  stopping: { level: 'warn', text: 'a signal has come; the step in hand is finished' },
  'run.progress': { level: 'info', text: 'where the rows of a run are, every 30 s' },
  'run.summary': { level: 'info', text: 'what a run has come to when the command ends' },
  'notify.sent': { level: 'info', text: 'a notice was taken' },
  'notify.not_sent': { level: 'warn', text: 'a notice was not taken; the next command sends it' },
  'notify.not_decided': { level: 'warn', text: 'the ledger could not be read or written for a notice' },
  'notify.output': { level: 'debug', text: 'what the command of a notice has printed' },
  'metrics.not_written': { level: 'warn', text: 'the metrics file could not be written' },
  'answers.not_reused': { level: 'warn', text: 'answers of an earlier run cannot be reused; the rows are sent' },
  'batch.not_canceled': { level: 'warn', text: 'a batch could not be canceled yet' },
  'results.not_fetched': { level: 'debug', text: 'results could not be fetched yet' },
  'key.not_identified': { level: 'debug', text: 'the API does not say whose key it is' },
  'limiter.shared': { level: 'info', text: 'limits are shared through Redis' },
  'limiter.alone': { level: 'warn', text: 'they are not; a safe share of them is used' },
  'limits.not_told': { level: 'warn', text: 'the Admin API does not tell the limits' },
  'serve.failed': { level: 'error', text: 'a request to the page of serve went wrong' },
  'page.failed': { level: 'error', text: 'a request to the live page of a load test went wrong' },
  'serve.ended': { level: 'debug', text: 'the page of serve is closed' },
  'sdk.said': { level: 'warn', text: 'a warning of the SDK' },
} as const satisfies Readonly<Record<string, LogEvent>>;

/** What stands in the ledger and in `batchrun log`. */
export const LEDGER_EVENTS: Readonly<Record<string, string>> = {
  'run.ingesting': 'its input is being read',
  'run.ready': 'every chunk is sealed: it may go',
  'run.active': 'something of it was sent, or it was reopened by retry',
  'run.canceling': 'somebody has canceled it',
  'run.done': 'every row has reached its end',
  'run.blocked': 'a person must act',
  'run.unblocked': 'what stood in its way is tried again, or gone',
  'run.deadline': 'how it stands with its deadline, where that is news',
  'chunk.sealed': 'its file is complete and may be sent',
  'chunk.submitting': 'its create is under way',
  'chunk.uncertain': 'nobody knows whether its batch was made',
  'chunk.submitted': 'its batch is known',
  'chunk.ended': 'its batch has ended',
  'chunk.collected': 'its outcomes are in the ledger',
  'chunk.split': 'it was cut into smaller ones',
  'chunk.refused': 'its only row was refused',
  'chunk.canceled': 'it was not sent any more',
  'chunk.lost': 'its results are gone',
  'chunk.resolved': 'a person has settled a doubt',
  'chunk.hurried': 'its batch is stopped for the deadline',
  'batch.proven': 'a batch that a person named is surely its own',
  'batch.disproved': 'a batch was not its own',
  'batch.duplicate': 'a second batch of it has turned up',
  'results.refetch': 'its results were not whole',
  'row.failed': 'a row has failed for good',
  'row.retried': 'a row is tried again',
  'rows.in_realtime': 'rows are called',
  'rows.settled': 'calls are answered',
  'rows.retried': 'rows are tried again',
  'rows.released': 'rows of calls that died with their process wait again',
  'rows.given_up': 'rows are not tried any more',
  'rows.canceled': 'rows that waited were canceled',
  'cache.warming': 'what rows share is about to be brought into the prompt cache',
  'cache.warm': 'it is there',
  'cache.cold': 'it could not be brought there',
  'cache.useless': 'it is too short to be kept',
  'notice.watch': 'somebody wants to be told of its end',
  'notice.due': 'somebody is to be told',
  'notice.sent': 'somebody was told',
  'notice.settled': 'what somebody was told is over; the next time is news',
};
