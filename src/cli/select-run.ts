/**
 * Which run is meant, for commands; the rules are the engine's (engine/select-run.ts).
 */
export { selectOpenRun, selectRun, selectRuns, selectRunToRetry, selectSoleRun } from '../engine/select-run.ts';
