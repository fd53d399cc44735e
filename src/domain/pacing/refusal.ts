/** Stand-in. */
import type { ApiFailure } from '../failure-router.ts';
export type Refusal =
  | { readonly kind: 'rate'; readonly bucket: string | null; readonly limit: number | null }
  | { readonly kind: 'ramp' }
  | { readonly kind: 'money' };
export function refusalOf(failure: ApiFailure): Refusal | null {
  return failure.status === 429 ? { kind: 'rate', bucket: null, limit: null } : null;
}
