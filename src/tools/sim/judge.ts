/**
 * The words of the validator, shared by its rooms: in which setting a request is judged, and what a judgement is.
 */

import type { TextBytes } from './prompt.ts';

export interface Problem {
  readonly status: number;
  readonly type: string;
  readonly message: string;
}

export interface JudgeContext {
  readonly lane: 'message' | 'batch' | 'count';
  readonly version: string;
  readonly betas: readonly string[];
  readonly nowMs: number;
  readonly textBytes: TextBytes;
}

/** What a check answers: a message becomes 400 invalid_request_error. */
export type Complaint = string | undefined;
