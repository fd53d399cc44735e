/**
 * Which of our creates made a batch whose wire ids were read.
 */
import { tagOf } from '../../domain/ids.ts';
import type { AttemptRecord } from '../../domain/model.ts';
import type { WireIdParts } from '../../domain/result-line.ts';
import type { Place } from '../keys/key-book.ts';
import type { Session } from '../session.ts';

const ATTEMPTS_READ = 1_000;

/**
 * The attempt that made this batch, as far as its wire ids tell: one that was sent to this workspace. Only where the API
 * does not say that two keys are of one workspace can it be one that was sent with the other.
 */
export async function makerOf(
  session: Session,
  parts: readonly WireIdParts[],
  { ours, place, decided }: { ours: readonly AttemptRecord[]; place: Place; decided: ReadonlySet<number> },
): Promise<AttemptRecord | undefined> {
  const { keys } = session;
  const isHere = ({ workspace }: AttemptRecord): boolean => (keys.placeOf(workspace) ?? place) === place;
  const found = likeliest(ours.filter(isHere), decided) ?? (await settledAttempt(session, parts, isHere));
  if (found || keys.places.length === 1) return found;
  return likeliest(ours, decided) ?? (await settledAttempt(session, parts, () => true));
}

/** An attempt that is undecided is more likely the one than an older one that was judged "not made". */
function likeliest(ours: readonly AttemptRecord[], decided: ReadonlySet<number>): AttemptRecord | undefined {
  const left = ours.filter((one) => !decided.has(one.id));
  return left.find((one) => one.state === 'uncertain') ?? left[0] ?? ours[0];
}

/**
 * A batch that bears our tag and that no attempt in doubt waits for: one more of a chunk that has its own, or one that
 * turned up after more than a day. It is ours all the same, and paid: the attempt of its chunk that is in doubt takes it
 * (since a moment ago, or the caller would have it), else the newest.
 */
async function settledAttempt(
  { engine }: Session,
  parts: readonly WireIdParts[],
  isWanted: (attempt: AttemptRecord) => boolean,
): Promise<AttemptRecord | undefined> {
  const runs = await engine.store.runs();
  for (const { tag, chunkNo } of parts) {
    const run = runs.find((one) => tagOf(one.id) === tag);
    if (!run) continue;
    let newest: AttemptRecord | undefined;
    for (let afterId = 0; ;) {
      const page = await engine.store.attempts(run.id, { afterId, limit: ATTEMPTS_READ });
      const last = page.at(-1);
      if (!last) break;
      const mine = page.filter((one) => one.chunkNo === chunkNo && isWanted(one));
      const inDoubt = mine.findLast((one) => one.state === 'uncertain');
      if (inDoubt) return inDoubt;
      newest = mine.at(-1) ?? newest;
      afterId = last.id;
    }
    if (newest) return newest;
  }
  return undefined;
}
