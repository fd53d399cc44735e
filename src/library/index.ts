/**
 * `import { createBatchrun } from 'batchrun'`: what programs get. Every name here is a promise (test/package/api.test.ts
 * holds the list).
 */
export { createBatchrun, type Batchrun } from './batchrun.ts';
export type {
  Backoff,
  BatchrunOptions,
  LimitCaps,
  LogEntry,
  ReadingProgress,
  Row,
  RowsInput,
  RunChanges,
  SubmitOptions,
} from './options.ts';
export type { ResultsOptions, Run } from './run.ts';
export type { SubmitProblem, SubmitReport } from './report.ts';
export type { RouteReport } from '../host/route-view.ts';
export { usePrices, type PriceEntry } from './prices.ts';
export type { DroppedEvent, HappeningEvent, ProgressEvent, RunEvent } from './events.ts';
export type { ResultRow } from './result-row.ts';
export type { BatchView, BlockView, BudgetShown, DeadlineView, RunView } from '../engine/views/run-view.ts';
export type { RowState } from '../domain/model.ts';
export { BatchrunError, isBatchrunError, type ErrorCode } from '../base/errors.ts';
