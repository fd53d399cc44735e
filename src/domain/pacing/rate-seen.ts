/** What the headers of an answer, or of a 429, say about limits; and who is behind the key. */

/** One bucket by its headers. Null: not said. */
export interface SeenBucket {
  /** Calls or tokens a minute. */
  readonly limit: number | null;
  readonly remaining: number | null;
  /** Until it is full again, from the answer on. */
  readonly resetMs: number | null;
}

export type SeenBucketName = 'requests' | 'input' | 'output' | 'tokens';

export interface RateSeen {
  /** `anthropic-organization-id`; null where the API does not say. */
  readonly organization: string | null;
  /** `anthropic-workspace-id`. */
  readonly workspace: string | null;
  /** Empty where there are no such headers. */
  readonly buckets: Readonly<Partial<Record<SeenBucketName, SeenBucket>>>;
  /** Whose names the headers had: the API's, or those of a proxy (`x-ratelimit-*`). */
  readonly by: 'api' | 'proxy';
}
