/** Stand-in. */
import type { Amounts } from './limiter.ts';
export interface AdminLimits {
  readonly models: readonly { readonly models: readonly string[]; readonly limits: Amounts }[];
}
