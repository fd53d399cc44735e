/** The keys that realtime calls may go out with. */
import type { BatchApi } from '../domain/ports.ts';
import type { PacedKey } from './pacing/pacer.ts';
import type { Session } from './session.ts';

export interface CallKey extends PacedKey {
  readonly api: BatchApi;
}

/** In the order in which they are asked. */
export function callKeys({ engine }: Session): readonly CallKey[] {
  return [{ api: engine.api, organization: engine.api.workspace, label: 'the key' }];
}
