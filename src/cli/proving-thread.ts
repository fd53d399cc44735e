/**
 * The thread that proves results (prove-results.ts): it is handed the bytes of several chunks, in order for each, and
 * says of each what its lines come to.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { overridePrices } from '../domain/pricing.ts';
import { ProofHere } from '../engine/result-proof.ts';
import { taggedIds } from '../engine/wire-ids.ts';
import { packError } from './packed-error.ts';
import type { ProverAnswer, ProverJob, ProverStart } from './prove-results.ts';

// This thread has a price table of its own.
overridePrices((workerData as ProverStart).prices);

const proofs = new Map<number, ProofHere>();

parentPort?.on('message', (job: ProverJob) => {
  try {
    work(job);
  } catch (error) {
    proofs.delete(job.id);
    say({ kind: 'failed', id: job.id, error: packError(error) });
  }
});

function work(job: ProverJob): void {
  const proof = proofs.get(job.id);
  switch (job.kind) {
    case 'begin':
      proofs.set(job.id, new ProofHere(job.chunk, taggedIds(job.chunk)));
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
