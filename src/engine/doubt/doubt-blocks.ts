/**
 * Chunks in doubt that only a person can settle: what is said about them, and when it is taken back. A block never stands
 * in the way of results that are paid: a chunk that has its own batch gets none here.
 */
import type { AttemptRecord, BatchInfo } from '../../domain/model.ts';
import { blockRun, chunkKey, unblockChunk, type Session } from '../session.ts';

const CANDIDATE_UNREADABLE = 'candidate_unreadable';

/** A chunk that has its own batch, or is done, waits for none of these: what is paid must be collected. */
const WAITING_STATES: readonly string[] = ['uncertain', 'sealed'];

/** Gives the keys of the chunks that wait for a person now. */
export async function blockGroup(
  session: Session,
  group: readonly AttemptRecord[],
  stuck: readonly BatchInfo[],
): Promise<readonly string[]> {
  const candidates = stuck.map((batch) => batch.id);
  const named = candidates.slice(0, 3).join(', ') + (candidates.length > 3 ? ', …' : '');
  const keys: string[] = [];
  for (const attempt of group) {
    const { runId, chunkNo } = attempt;
    const chunk = await session.engine.store.chunk(runId, chunkNo);
    if (!chunk || !WAITING_STATES.includes(chunk.state)) continue;
    keys.push(chunkKey(attempt));
    await blockRun(session, runId, {
      reason: CANDIDATE_UNREADABLE,
      scope: `chunk:${chunkNo}`,
      message: `chunk ${chunkNo} is in doubt: ${named} may hold it, and the results have not been readable for an hour`,
      hint: stuckHint(attempt, { sealed: chunk.state === 'sealed', several: candidates.length > 1 }),
      sinceMs: attempt.startedAtMs,
      candidates,
    });
  }
  return keys;
}

function stuckHint(
  attempt: AttemptRecord,
  { sealed, several }: { readonly sealed: boolean; readonly several: boolean },
): string {
  // Its create was judged "not made" once: there is nothing to say about it any more, and the wait has an end.
  if (sealed)
    return `Run \`batchrun collect\` later: it looks again, and sends the chunk when ${several ? 'these batches' : 'this batch'} can be read, or a day after its create was judged "not made".`;
  return `Look at ${several ? 'these batches' : 'this batch'} in the Console, and say what you see: ${resolveCommands(attempt)}. Until then the chunk is not sent; \`batchrun collect\` looks again.`;
}

/** What could not be read can be, or is not waited for any more. */
export async function releaseBlocks(session: Session, stuck: ReadonlySet<string>): Promise<void> {
  for (const { id: runId } of await session.engine.store.runs()) {
    for (const { reason, scope } of session.blocks.of(runId)) {
      const chunk = { runId, chunkNo: Number(scope.slice('chunk:'.length)) };
      if (reason === CANDIDATE_UNREADABLE && !stuck.has(chunkKey(chunk))) await unblockChunk(session, chunk, reason);
    }
  }
}

/** What a person types to settle a chunk in doubt. */
function resolveCommands({ runId, chunkNo }: AttemptRecord): string {
  const command = `batchrun resolve ${runId} --chunk ${chunkNo}`;
  return `\`${command} --batch ID\` if one is its, \`${command} --not-created\` to send it (again), \`${command} --lost\` to give its rows up`;
}

/** This key may not see where the create went. */
export async function blockElsewhere(session: Session, attempt: AttemptRecord): Promise<void> {
  const { keys } = session;
  const whom = keys.several ? `every key of the pool (${keys.labels})` : 'this key';
  await blockRun(session, attempt.runId, {
    reason: 'other_workspace',
    scope: `chunk:${attempt.chunkNo}`,
    message: `chunk ${attempt.chunkNo} is in doubt, and ${whom} may belong to another workspace than the one that sent it (${attempt.workspace}): its batch would not show here`,
    hint: `Run \`batchrun collect\` with a key of the workspace that sent it. Or settle it yourself: ${resolveCommands(attempt)}.`,
    sinceMs: attempt.startedAtMs,
  });
}

/** Sent by us it would carry the ids of the input, and a batch of it could never be told from a stranger's. */
export async function blockAdopted(session: Session, attempt: AttemptRecord): Promise<void> {
  const { runId, chunkNo, startedAtMs } = attempt;
  const command = `batchrun resolve ${runId} --chunk ${chunkNo}`;
  await blockRun(session, runId, {
    reason: 'adopted_in_doubt',
    scope: `chunk:${chunkNo}`,
    message: `chunk ${chunkNo} was adopted with a batch, and which one is its is not known any more`,
    hint: `Say it: \`${command} --batch ID\`. Or give its rows up: \`${command} --lost\`; when the run has ended, \`batchrun retry ${runId}\` sends them with ids of ours.`,
    sinceMs: startedAtMs,
  });
}
