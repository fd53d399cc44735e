/**
 * Which run is meant, for commands; the rules are the engine's (engine/select-run.ts).
 */
export { selectOnlyRun, selectRun, selectRuns } from '../engine/select-run.ts';
