/**
 * What a row's params must be as text: UTF-8 without half characters, and small enough for a batch.
 */
import { formatBytes } from '../../base/units.ts';
import { BATCH_BYTES_MAX, BODY_HEAD, BODY_TAIL, REALTIME_BYTES_MAX } from '../limits.ts';
import type { RowNotice } from '../source.ts';
import type { Findings } from './findings.ts';

/** `{"custom_id":"…64 characters…","params":}` and a comma around the params of a request. */
const REQUEST_FRAME_BYTES = 128;
const PARAMS_BYTES_MAX = BATCH_BYTES_MAX - BODY_HEAD.length - BODY_TAIL.length - REQUEST_FRAME_BYTES;
const REALTIME_TOO_LARGE: RowNotice = {
  code: 'realtime_too_large',
  message: `a row is larger than ${formatBytes(REALTIME_BYTES_MAX)}: it can go into a batch, but the realtime lane cannot take it`,
};

/** JSON.stringify writes a lone surrogate, and nothing else, as `\ud8xx` to `\udfxx`. */
const LONE_ESCAPE = /(?<!\\)(?:\\\\)*\\ud[89a-f][0-9a-f]{2}/;
export const LONE_SURROGATE = /\p{Surrogate}/u;

export function checkText(paramsJson: string, plain: boolean, findings: Findings): void {
  if (!plain && paramsJson.includes('\\ud') && LONE_ESCAPE.test(paramsJson)) {
    findings.problem(
      'utf8',
      'a text has half a character in it (a lone surrogate such as \\ud800): it cannot be sent as UTF-8',
    );
  }
  // A UTF-16 unit takes three bytes at most: below a third of the bound nothing needs to be counted.
  if (paramsJson.length * 3 <= REALTIME_BYTES_MAX) return;
  const bytes = plain ? paramsJson.length : Buffer.byteLength(paramsJson);
  if (bytes > PARAMS_BYTES_MAX) {
    findings.problem(
      'too_large',
      `the request has ${formatBytes(bytes)}; one batch takes ${formatBytes(BATCH_BYTES_MAX)} in all`,
    );
  } else if (bytes > REALTIME_BYTES_MAX) findings.notice(REALTIME_TOO_LARGE);
}
