/** What stands still until a person has acted: kept by the process that drives, written to the ledger by session.ts. */
import type { Block } from '../domain/model.ts';

/**
 * What is blocked, and where. `key` and `workspace` stop everything that would be sent; `chunk:<n>` one chunk of one
 * run. Paid batches are polled and collected whatever stands here.
 */
export class BlockBook {
  readonly #all = new Map<string, { readonly runId: string | null; readonly block: Block }>();
  readonly #known = new Set<string>();

  /** Gives true when this was not blocked before. */
  add(runId: string | null, block: Block): boolean {
    const key = keyOf(runId, block);
    if (this.#all.has(key)) return false;
    this.#all.set(key, { runId, block });
    this.#known.add(key);
    return true;
  }

  /** Was this blocked before in this process, if only for a time? */
  wasKnown(runId: string | null, block: Block): boolean {
    return this.#known.has(keyOf(runId, block));
  }

  /** Does anything stop new batches and calls of this run? */
  stopsSending(runId: string): boolean {
    return [...this.#all.values()].some(
      ({ runId: of, block }) =>
        (of === null || of === runId) && !block.scope.startsWith('chunk:') && block.scope !== 'output',
    );
  }

  stopsChunk(chunk: { readonly runId: string; readonly chunkNo: number }): boolean {
    return [...this.#all.values()].some(
      (entry) => entry.runId === chunk.runId && entry.block.scope === `chunk:${chunk.chunkNo}`,
    );
  }

  /** Chunks of this run that are blocked for themselves. */
  chunkBlocks(runId: string): number {
    return this.of(runId).filter((block) => block.scope.startsWith('chunk:')).length;
  }

  /** What stood in the way of this chunk is gone. Gives true when there was something. */
  release(runId: string, scope: string, reason: string): boolean {
    return this.#all.delete(`${runId}|${scope}|${reason}`);
  }

  /** What stood in the way of every run is gone. Gives true when there was something. */
  releaseAll(reason: string): boolean {
    const held = [...this.#all].filter(([, { runId, block }]) => runId === null && block.reason === reason);
    for (const [key] of held) this.#all.delete(key);
    return held.length > 0;
  }

  stopsOutput(runId: string): boolean {
    return this.of(runId).some((block) => block.scope === 'output');
  }

  of(runId: string): Block[] {
    return [...this.#all.values()]
      .filter((entry) => entry.runId === null || entry.runId === runId)
      .map((entry) => entry.block);
  }
}

function keyOf(runId: string | null, { scope, reason }: Block): string {
  return `${runId ?? '*'}|${scope}|${reason}`;
}
