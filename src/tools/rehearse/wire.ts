/**
 * The line between the engine's client and the simulated API: a `fetch` in memory that takes as long as a line does.
 *
 * Bodies of creates lose their filler on the way (stand-in.ts), so that no 256 MB are ever held; the time they take and
 * the limits they are held against are those of the whole length, which their header announces. Whatever is refused or
 * breaks is told, with the endpoint.
 */
import type { Clock } from '../../base/clock.ts';
import { simFetch, type SimFetch } from '../sim/fetch.ts';
import type { SimWorld } from '../sim/world.ts';
import { TRANSFER_BYTES_PER_SECOND } from './assumptions.ts';
import { FILLER } from './stand-in.ts';

export interface WireOptions {
  readonly world: SimWorld;
  readonly clock: Clock;
  /** A call that did not go through: the status, or 0 where the connection broke. */
  readonly onFailure: (endpoint: Endpoint, status: number) => void;
}

export type Endpoint = 'create' | 'batches' | 'messages';

const BATCHES_PATH = '/v1/messages/batches';
/** Looked at in pieces of so many bytes while filler is skipped. */
const FILLER_PIECE = Buffer.alloc(4096, FILLER);

export function createWire({ world, clock, onFailure }: WireOptions): typeof fetch {
  const inner = simFetch(world);
  const transfer = (bytes: number, signal: AbortSignal | undefined): Promise<void> =>
    clock.sleep((bytes / TRANSFER_BYTES_PER_SECOND) * 1_000, signal);
  const create: SimFetch = async (input, init = {}) => {
    const { bytes, body } = await squeezed(init.body, (length) => transfer(length, init.signal ?? undefined));
    // The limit holds for what was announced, not for what is left of it.
    if (bytes <= world.bodyBytesMax(BATCHES_PATH)) return inner(input, { ...init, body });
    const { status, headers, body: text } = world.tooLarge();
    return new Response([...text].join(''), { status, headers });
  };
  const wire: SimFetch = async (input, init) => {
    const endpoint = endpointOf(input, init?.method);
    const { signal } = init ?? {};
    try {
      const response = endpoint === 'create' ? await create(input, init ?? {}) : await inner(input, init);
      if (!response.ok) onFailure(endpoint, response.status);
      return response;
    } catch (error) {
      if (signal?.aborted !== true) onFailure(endpoint, 0);
      throw error;
    }
  };
  return wire;
}

function endpointOf(input: string | URL | Request, method: string | undefined): Endpoint {
  const { pathname } = new URL(input instanceof Request ? input.url : input);
  if (pathname === BATCHES_PATH && method?.toUpperCase() === 'POST') return 'create';
  return pathname.startsWith(BATCHES_PATH) ? 'batches' : 'messages';
}

interface Squeezed {
  /** As they were sent. */
  readonly bytes: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Reads a body to its end as fast as the line is, and gives it without its filler. */
async function squeezed(body: unknown, transfer: (bytes: number) => Promise<void>): Promise<Squeezed> {
  const kept: Buffer[] = [];
  let bytes = 0;
  let sent = 0;
  try {
    for await (const piece of piecesOf(body)) {
      bytes += piece.length;
      keepWithoutFiller(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength), kept);
      // A second's worth at a time: a line that breaks is noticed, and a body of 256 MB is not ten thousand sleeps.
      if (bytes - sent < TRANSFER_BYTES_PER_SECOND) continue;
      await transfer(bytes - sent);
      sent = bytes;
    }
  } catch (error) {
    // As fetch does it where the source of a body fails.
    throw new TypeError('fetch failed', { cause: error });
  }
  await transfer(bytes - sent);
  return { bytes, body: Buffer.concat(kept) };
}

function piecesOf(body: unknown): AsyncIterable<Uint8Array> {
  return body as AsyncIterable<Uint8Array>;
}

/** Copies what is not filler. */
function keepWithoutFiller(piece: Buffer, kept: Buffer[]): void {
  for (let at = 0; at < piece.length;) {
    const end = piece.indexOf(FILLER, at);
    if (end !== at) kept.push(Buffer.from(piece.subarray(at, end === -1 ? piece.length : end)));
    if (end === -1) return;
    at = endOfFiller(piece, end);
  }
}

function endOfFiller(piece: Buffer, start: number): number {
  let at = start;
  const step = FILLER_PIECE.length;
  while (at + step <= piece.length && piece.compare(FILLER_PIECE, 0, step, at, at + step) === 0) at += step;
  while (piece[at] === FILLER) at++;
  return at;
}
