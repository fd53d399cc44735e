/**
 * Whose the file of an output is. Of two runs that name the same one the later would replace the answers of the other,
 * so a run that is to have a file takes it from every unfinished run that names it, in the transaction that says so.
 * What the other was to write there it writes beside, under its own name: its answers may be paid.
 */
import { basename, dirname, join } from 'node:path';
import type { OutputFormat } from '../../domain/model.ts';
import type { MovedOutput } from '../../domain/store-steps.ts';
import type { Db } from './db.ts';
import { addEvent } from './moves.ts';

interface Claim {
  readonly id: string;
  readonly output: string | null;
  readonly errors: string | null;
  readonly format: OutputFormat;
  readonly overwrite: number;
  readonly created_at_ms: number;
  readonly done_at_ms: number | null;
  readonly state: string;
}

const COLUMNS = 'id, output, errors, format, overwrite, created_at_ms, done_at_ms, state';

/** Takes the files of this run from the unfinished runs that name them. Gives what goes elsewhere now. */
export function takeOutputs(db: Db, runId: string, atMs: number): readonly MovedOutput[] {
  const run = claimOf(db, runId);
  if (!run) return [];
  return rivalsOf(db, run)
    .filter(({ state }) => state !== 'done')
    .flatMap((rival) => moveOutputs(db, rival, { takenBy: run, atMs }));
}

/**
 * A run has been read. With --overwrite it takes its files; without, they were free when the command looked, and
 * whoever has taken them since keeps them.
 */
export function claimOutputs(db: Db, runId: string, atMs: number): readonly MovedOutput[] {
  const run = claimOf(db, runId);
  if (!run) return [];
  return run.overwrite === 1 ? takeOutputs(db, runId, atMs) : stepAside(db, { run, sinceMs: run.created_at_ms, atMs });
}

/** A run that was done goes on. Where its file has another run's answers by now, or will have, it stays away from it. */
export function reclaimOutputs(db: Db, runId: string, atMs: number): void {
  const run = claimOf(db, runId);
  if (run) stepAside(db, { run, sinceMs: run.done_at_ms ?? run.created_at_ms, atMs });
}

function stepAside(
  db: Db,
  { run, sinceMs, atMs }: { readonly run: Claim; readonly sinceMs: number; readonly atMs: number },
): readonly MovedOutput[] {
  const rivals = rivalsOf(db, run).filter(
    ({ state, done_at_ms: doneMs }) => state !== 'done' || (doneMs ?? 0) > sinceMs,
  );
  // Its two files may be of two others by now.
  return rivals.flatMap((rival) => moveOutputs(db, claimOf(db, run.id) ?? run, { takenBy: rival, atMs }));
}

function claimOf(db: Db, runId: string): Claim | undefined {
  return db.get<Claim>(`SELECT ${COLUMNS} FROM runs WHERE id = ?`, runId);
}

/** The other runs that name a file of this one. One that is still being read claims its files when it is ready. */
function rivalsOf(db: Db, { id, ...run }: Claim): readonly Claim[] {
  const files = new Set(filesOf(run));
  if (files.size === 0) return [];
  return db
    .all<Claim>(`SELECT ${COLUMNS} FROM runs WHERE id <> ? AND state <> 'ingesting' ORDER BY id`, id)
    .filter((other) => filesOf(other).some((file) => files.has(file)));
}

/** Names that are not filled in yet are nobody's. */
function filesOf({ output, errors }: Pick<Claim, 'output' | 'errors'>): readonly string[] {
  return [output, errors].filter((file) => file !== null && file !== '-' && !/\{(?:run|date)\}/.test(file)) as string[];
}

function moveOutputs(
  db: Db,
  run: Claim,
  { takenBy, atMs }: { readonly takenBy: Claim; readonly atMs: number },
): readonly MovedOutput[] {
  const taken = new Set(filesOf(takenBy));
  const extension = run.format === 'csv' ? 'csv' : 'jsonl';
  const moved = { output: run.output, errors: run.errors };
  if (run.output !== null && taken.has(run.output)) moved.output = ownFile(db, run, run.output, ['results', extension]);
  if (run.errors !== null && taken.has(run.errors)) moved.errors = ownFile(db, run, run.errors, ['errors', 'jsonl']);
  db.run('UPDATE runs SET output = ?, errors = ? WHERE id = ?', moved.output, moved.errors, run.id);
  return (['output', 'errors'] as const).flatMap((which) => {
    const [from, to] = [run[which], moved[which]];
    if (from === null || to === null || from === to) return [];
    addEvent(db, { runId: run.id, atMs, kind: 'output.moved', data: { from, to, taken_by: takenBy.id } });
    return [{ runId: run.id, from, to }];
  });
}

/** In the same folder, which can surely be written, and under a name that no run has. */
function ownFile(db: Db, { id }: Claim, from: string, [what, extension]: readonly [string, string]): string {
  const named = new Set(db.all<Claim>(`SELECT ${COLUMNS} FROM runs`).flatMap(filesOf));
  for (let no = 1; ; no++) {
    const name = [id, what, ...(no === 1 ? [] : [no]), extension].join('.');
    const file = join(dirname(from), name);
    if (!named.has(file) && basename(from) !== name) return file;
  }
}
