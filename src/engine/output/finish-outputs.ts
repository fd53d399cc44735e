/**
 * Writes the outputs of a run at its end. One that cannot be written must not stop other runs: it waits for a person.
 */
import { isBatchrunError, type BatchrunError } from '../../base/errors.ts';
import { paths } from '../../domain/ids.ts';
import type { RunRecord } from '../../domain/model.ts';
import { clearOutputLeftovers } from '../cleanup/leftovers.ts';
import { writeOutputs } from './output.ts';
import { blockRun, type Session } from '../session.ts';

const MENDABLE = ['E_FILE', 'E_DISK_FULL', 'E_STATE_CORRUPT'] as const;

/** Another run has taken a file of this one while it was written: it is written again, beside. */
class Taken extends Error {}

/** False where they could not be written, which has been told, or belong elsewhere by now. */
export async function finishOutputs(session: Session, run: RunRecord): Promise<boolean> {
  const { engine, driver } = session;
  try {
    await driver.assertDriving();
    for (const path of [run.output, run.errors]) {
      if (path !== null && path !== '-') await clearOutputLeftovers(engine.files, path);
    }
    await writeOutputs(engine, run, async () => {
      await driver.assertDriving();
      const now = await engine.store.run(run.id);
      if (now?.output !== run.output || now.errors !== run.errors) throw new Taken();
    });
    return true;
  } catch (error) {
    if (error instanceof Taken) return false;
    if (!isBatchrunError(error) || !MENDABLE.some((code) => error.code === code)) throw error;
    const { message } = error;
    const hint = `${error.hint} ${wayOut(session, run.id, error)}`;
    await blockRun(session, run.id, { reason: 'output', scope: 'output', message, hint, sinceMs: engine.clock.now() });
    return false;
  }
}

/** Another place for the output mends nothing where a file of the state is what is damaged or missing. */
function wayOut({ engine }: Session, runId: string, { code, details }: BatchrunError): string {
  const { file } = details;
  const ofState = typeof file === 'string' && file.startsWith(engine.files.locate(paths.run(runId)));
  if (code !== 'E_STATE_CORRUPT' && !ofState) return `Or choose another: \`batchrun collect ${runId} --output FILE\`.`;
  return 'Or submit the same input again: damaged files of chunks and rows are made again from it, and nothing is sent twice.';
}
