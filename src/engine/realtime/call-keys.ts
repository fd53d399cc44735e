/** The keys that realtime calls may go out with, as the pacer knows them. */
import type { KeyLink } from '../engine.ts';
import { usableKeys } from '../keys/key-book.ts';
import type { PacedKey } from '../pacing/pacer.ts';
import type { Session } from '../session.ts';

export interface CallKey extends PacedKey {
  readonly link: KeyLink;
}

/** In the order in which they are asked. */
export function callKeys(session: Session): readonly CallKey[] {
  return usableKeys(session).map((link) => {
    return { link, organization: session.keys.organizationOf(link), label: link.label };
  });
}
