/** The keys that realtime calls may go out with, as the pacer knows them. */
import type { KeyLink } from './engine.ts';
import { usableKeys } from './key-book.ts';
import type { PacedKey } from './pacing/pacer.ts';
import type { Session } from './session.ts';

export interface CallKey extends PacedKey {
  readonly link: KeyLink;
}

/** In the order in which they are asked. Keys of which the API tells no organization may well be of one: they share. */
export function callKeys(session: Session): readonly CallKey[] {
  const [first] = session.keys.links;
  return usableKeys(session).map((link) => {
    return { link, organization: link.organization ?? first.api.workspace, label: link.label };
  });
}
