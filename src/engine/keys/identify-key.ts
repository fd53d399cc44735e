/**
 * Whose a key is: asked once, before anything is done with it. A key that the API refuses is marked and left out; where
 * the API does not answer nobody knows, and the work goes on.
 */
import { routeCreate } from '../../domain/failure-router.ts';
import type { BatchApi } from '../../domain/ports.ts';
import type { KeyLink } from '../engine.ts';
import { apiFailureOf } from '../session.ts';

export async function identifyKey(
  { api, label }: { readonly api: BatchApi; readonly label: string },
  signal: AbortSignal,
): Promise<KeyLink> {
  const unknown = { api, label, organization: null, reported: null };
  try {
    const { organization, workspace } = await api.identify(signal);
    return { ...unknown, organization, reported: workspace };
  } catch (error) {
    const failure = apiFailureOf(error);
    if (!failure) throw error;
    const verdict = routeCreate(failure, false);
    // A base URL that answers as no API does is no fault of a key.
    return verdict.kind === 'blocked' && verdict.reason !== 'endpoint' ? { ...unknown, refused: verdict } : unknown;
  }
}
