/**
 * The audit: our ledger against itself, its files and the API's list. It writes nothing, takes no lock, and works beside
 * a driver. What it cannot see it says; what is off it names, prices, and says what to type next.
 */
import { isBatchrunError } from '../../base/errors.ts';
import { formatCount, formatUsd, plural } from '../../base/units.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { BatchApi } from '../../domain/ports.ts';
import { AuditApi, notReached, type NotReached } from './api.ts';
import { findDuplicates, findUnknown } from './batches.ts';
import { findDoubts, findMissing, seesRun } from './chunks.ts';
import { auditLedger, type LedgerAudit } from './ledger.ts';
import { scanList, type ListScan } from './list.ts';
import { pictureOf, type AuditScope, type RunPicture } from './picture.ts';
import {
  finding,
  type FindingList,
  spentUsd,
  sumCosts,
  unusedUsd,
  type AuditReport,
  type Check,
  type Finding,
  type RunAudit,
  type RunCost,
} from './report.ts';
import type { Engine, KeyLink } from '../engine.ts';

export interface AuditRequest {
  readonly api: BatchApi;
  /** All keys, where there are several. */
  readonly keys?: readonly KeyLink[] | undefined;
  readonly runs: readonly RunRecord[];
  readonly driven: boolean;
  readonly command: (words: string) => string;
  readonly tell: (text: string) => void;
}

export async function audit(engine: Engine, request: AuditRequest): Promise<AuditReport> {
  const api = new AuditApi(engine, { api: request.api, ...(request.keys ? { keys: request.keys } : {}) });
  const scope: AuditScope = { ...request, engine, api };
  request.tell('checking state.db');
  const findings = (await damageOf(engine)).map(toDamage);
  const pictures: RunPicture[] = [];
  for (const run of request.runs) pictures.push(await pictureOf(engine.store, run));
  const compared = await compare(scope, pictures);
  const runs: RunAudit[] = [];
  for (const picture of pictures) {
    request.tell(`counting the rows of ${picture.run.id}`);
    const ledger = await ledgerOf(engine, picture, request.command);
    if (ledger !== null) runs.push(toRunAudit(picture, ledger, compared));
  }
  const complete = compared.error === null && compared.complete;
  return {
    ok: complete && findings.length === 0 && runs.every((run) => run.ok),
    complete,
    api: { base_url: api.origin, reached: compared.error === null, listed: compared.listed, error: compared.error },
    runs,
    findings,
    cost_usd: totalCost(runs),
  };
}

/** A database that is damaged where its own check begins is one finding more, not the end of the audit. */
async function damageOf({ store }: Engine): Promise<readonly string[]> {
  try {
    return await store.check();
  } catch (error) {
    if (!isBatchrunError(error, 'E_STATE_CORRUPT')) throw error;
    return [error.message];
  }
}

function toDamage(problem: string): Finding {
  return finding('ledger_damaged', {
    message: `state.db is damaged: ${problem.replaceAll(/\s+/g, ' ')}`,
    hint: 'Bring state.db back from a backup. The files beside it are untouched. Do not delete the folder: its rows would be paid again.',
  });
}

interface Compared {
  /** The key saw what it has to see, and everything that may be ours could be read. */
  readonly complete: boolean;
  readonly listed: number | null;
  readonly error: NotReached | null;
  /** Runs whose batches this key sees. */
  readonly seen: ReadonlySet<string>;
}

/** The part that needs the API. What was found before it went away is kept. */
async function compare(scope: AuditScope, pictures: readonly RunPicture[]): Promise<Compared> {
  const seen = new Set<string>();
  let list: ListScan | null = null;
  let complete = true;
  try {
    if (pictures.length > 0) {
      await scope.api.keepQuiet();
      list = await scanList(scope.api, scope.engine.store, needsOf(pictures), (listed) =>
        scope.tell(`reading the list of batches: ${formatCount(listed)}`),
      );
      complete = list.complete;
      const mine = pictures.filter((picture) => seesRun(scope, picture, list ?? NOTHING));
      complete = (await findUnknown(scope, mine, list)) && complete;
      for (const picture of mine) {
        await findDuplicates(scope, picture, list);
        await findMissing(scope, picture, list);
        seen.add(picture.run.id);
      }
    }
    return { complete, listed: list?.listed ?? 0, error: null, seen };
  } catch (error) {
    return { complete: false, listed: list?.listed ?? null, error: notReached(error), seen };
  } finally {
    for (const picture of pictures) await findDoubts(scope, picture);
  }
}

const NOTHING: ListScan = { ours: new Map(), candidates: [], listed: 0, complete: false };

function needsOf(pictures: readonly RunPicture[]): { sizes: ReadonlySet<number>; oldestRunMs: number } {
  const sizes = new Set(pictures.flatMap((picture) => [...picture.sizes]));
  return { sizes, oldestRunMs: Math.min(...pictures.map(({ run }) => run.createdAtMs)) };
}

/** A ledger that cannot be read any further is a finding of its run; the other runs may be whole. */
async function ledgerOf(
  engine: Engine,
  { run, found }: RunPicture,
  command: (words: string) => string,
): Promise<LedgerAudit | null> {
  try {
    const ledger = await auditLedger(engine, run.id, found, command);
    // Pruned while we looked: then nothing of it is missing.
    return (await engine.store.run(run.id)) === null ? null : ledger;
  } catch (error) {
    if (!isBatchrunError(error, 'E_STATE_CORRUPT')) throw error;
    found.add(finding('ledger_damaged', { message: error.message, hint: error.hint }));
    const unread = 'they could not be read';
    return { run, usage: [], rows: unread, files: unread };
  }
}

function toRunAudit(picture: RunPicture, ledger: LedgerAudit, compared: Compared): RunAudit {
  const { run, found } = picture;
  const spent = spentUsd(ledger.usage);
  const cost = { spent, ...unusedUsd(found.findings) };
  const checks = [
    batchCheck(picture, compared),
    chunkCheck(picture, compared),
    offline(found, 'rows', ledger.rows),
    offline(found, 'files', ledger.files),
    costCheck(found, cost, compared.seen.has(run.id)),
  ];
  const { id, name } = run;
  return {
    ...{ id, name, state: ledger.run.state, ok: found.findings.length === 0, checks },
    ...{ findings: found.findings, notes: found.notes, cost_usd: cost },
  };
}

function offline(found: FindingList, name: 'rows' | 'files', text: string): Check {
  const count = found.count(name);
  return { name, ok: count === 0, found: count === 0 ? text : plural(count, 'finding') };
}

function batchCheck({ run, found, batches, undecided }: RunPicture, compared: Compared): Check {
  const name = 'batches';
  const count = found.count(name);
  if (count > 0) return { name, ok: false, found: plural(count, 'finding') };
  if (!compared.seen.has(run.id)) return { name, ok: null, found: 'not compared with the list of the API' };
  const may = undecided.length === 0 ? '' : `; of ${undecided.length} nobody can tell yet`;
  const text = `${plural(batches.length, 'batch', 'batches')} of ours, and no other bears our tag${may}`;
  return { name, ok: undecided.length === 0 || compared.complete ? true : null, found: text };
}

function chunkCheck({ run, found, chunks }: RunPicture, compared: Compared): Check {
  const name = 'chunks';
  const count = found.count(name);
  if (count > 0) return { name, ok: false, found: plural(count, 'finding') };
  const waiting = [...chunks.values()].filter(({ state }) => state === 'submitted' || state === 'ended').length;
  if (waiting > 0 && !compared.seen.has(run.id))
    return { name, ok: null, found: 'not compared with the list of the API' };
  const text =
    waiting === 0
      ? `${plural(chunks.size, 'chunk')}, none of which waits for a batch`
      : `${plural(waiting, 'chunk')} of ${formatCount(chunks.size)} waiting, each for a batch that is there`;
  return { name, ok: true, found: text };
}

function costCheck(found: FindingList, { spent, unused, unused_known: known }: RunCost, seen: boolean): Check {
  const name = 'costs';
  const total = spent === null ? 'an unknown sum spent (a model without a known price)' : `${formatUsd(spent)} spent`;
  if (unused === null) {
    const least = known > 0 ? `at least ${formatUsd(known)}` : 'an unknown sum';
    return { name, ok: false, found: `${total}, and ${least} paid for nothing` };
  }
  if (unused > 0) return { name, ok: false, found: `${total}, and ${formatUsd(unused)} paid for nothing` };
  if (!seen || found.count('batches') > 0)
    return { name, ok: null, found: `${total}; what else was paid is not known` };
  return { name, ok: true, found: `${total}, nothing paid for nothing` };
}

function totalCost(runs: readonly RunAudit[]): RunCost {
  const unused = sumCosts(runs.map((run) => run.cost_usd.unused)).all;
  const known = sumCosts(runs.map((run) => run.cost_usd.unused_known)).known;
  return { spent: sumCosts(runs.map((run) => run.cost_usd.spent)).all, unused, unused_known: known };
}
