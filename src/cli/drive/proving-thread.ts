/**
 * The thread that proves results (prove-results.ts): it is handed the bytes of several chunks, in order for each, and
 * says of each what its lines come to.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { AnswerCheck, AnswerSchema } from '../../domain/answer-check.ts';
import { overridePrices } from '../../domain/pricing.ts';
import { ProofHere } from '../../engine/collect/result-proof.ts';
import { taggedIds } from '../../engine/collect/wire-ids.ts';
import { packError } from '../submit/packed-error.ts';
import type { ProverAnswer, ProverJob, ProverStart } from './prove-results.ts';

// This thread has a price table of its own.
overridePrices((workerData as ProverStart).prices);

const proofs = new Map<number, ProofHere>();
/** The check of the run whose results came last: nearly always there is one. */
let compiled: { readonly runId: string; readonly check: AnswerCheck } | undefined;
/** A schema is being compiled: what comes meanwhile waits, in its order. */
let before: Promise<void> | undefined;

parentPort?.on('message', (job: ProverJob) => {
  if (!before && !needsSchema(job)) {
    work(job, null);
    return;
  }
  const turn = (before ?? Promise.resolve()).then(() => workInTurn(job));
  before = turn;
  void turn.then(() => {
    if (before === turn) before = undefined;
  });
});

function needsSchema(job: ProverJob): boolean {
  return job.kind === 'begin' && job.chunk.schema !== undefined;
}

async function workInTurn(job: ProverJob): Promise<void> {
  try {
    const schema = job.kind === 'begin' ? job.chunk.schema : undefined;
    work(job, schema && job.kind === 'begin' ? await checkOf(job.chunk.runId, schema) : null);
  } catch (error) {
    failed(job, error);
  }
}

async function checkOf(runId: string, schema: AnswerSchema): Promise<AnswerCheck> {
  if (compiled?.runId === runId) return compiled.check;
  // Only here: what else is behind it is not this thread's.
  const { schemaCompiler } = await import('../context.ts');
  const check = await schemaCompiler.compile(schema);
  compiled = { runId, check };
  return check;
}

function failed(job: ProverJob, error: unknown): void {
  proofs.delete(job.id);
  say({ kind: 'failed', id: job.id, error: packError(error) });
}

function work(job: ProverJob, check: AnswerCheck | null): void {
  try {
    doJob(job, check);
  } catch (error) {
    failed(job, error);
  }
}

function doJob(job: ProverJob, check: AnswerCheck | null): void {
  const proof = proofs.get(job.id);
  switch (job.kind) {
    case 'begin':
      proofs.set(job.id, new ProofHere(job.chunk, taggedIds(job.chunk), check));
      return;
    case 'bytes': {
      const { buffer, length } = job;
      let useless = true;
      try {
        useless = proof?.take(Buffer.from(buffer, 0, length)) ?? true;
      } finally {
        // Whatever became of it: without its memory the other side would wait for ever.
        say({ kind: 'taken', id: job.id, buffer, useless, lines: proof?.lines ?? 0 }, [buffer]);
      }
      return;
    }
    case 'end':
      if (proof) say({ kind: 'proved', id: job.id, proved: proof.end() });
      return;
    case 'drop':
      proofs.delete(job.id);
  }
}

function say(answer: ProverAnswer, transfer: readonly ArrayBuffer[] = []): void {
  parentPort?.postMessage(answer, transfer);
}
