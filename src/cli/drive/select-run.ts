/**
 * Which run is meant, for commands; the rules are the engine's (engine/views/select-run.ts).
 */
export {
  selectOpenRun,
  selectRun,
  selectRuns,
  selectRunToRetry,
  selectSoleRun,
} from '../../engine/views/select-run.ts';
