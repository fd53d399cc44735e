/**
 * The way to the API: with one key, or with the keys of a pool.
 */
import type { BatchApi } from '../../domain/ports.ts';
import type { KeyLink } from '../../engine/engine.ts';

export interface ApiLink {
  /** That of the first key of a pool. */
  readonly api: BatchApi;
  readonly baseUrl: string;
  readonly credential: string;
  /** Every key of a pool; absent where there is one key. */
  readonly pool?: readonly ApiLink[];
  /** The same, once the API has said whose they are. */
  readonly keys?: readonly KeyLink[];
}
