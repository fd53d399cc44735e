/** Images and PDFs of requests, as mixes and rows keep them: their tokens do not follow from their bytes. */

export interface RowMedia {
  /** In base64: they are among the bytes of the requests, and no text. */
  readonly bytes: number;
  /** That they have at most (estimate/media-tokens.ts). */
  readonly tokens: number;
}

export interface MediaSums extends RowMedia {
  /** Of one request. */
  readonly largestTokens: number;
  /** Of one request, without its media. */
  readonly largestTextBytes: number;
}
