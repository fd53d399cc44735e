/**
 * How the body of a request is wrapped: chunked or with a length, plain or gzip.
 *
 * Messages take gzip; for batches it is not documented and refused unless a switch says otherwise (facts section 2).
 */
import { gunzipSync } from 'node:zlib';
import type { SimContext } from './context.ts';
import { invalidRequest, Refusal, type SimRequest } from './http.ts';
import { bodyBytesMax } from './routes.ts';

const NOTHING = Buffer.alloc(0);

export function decodeBody(context: SimContext, request: SimRequest, isBatch: boolean): Buffer {
  const { settings } = context;
  const { headers, path, body = NOTHING } = request;
  if (body.length === 0) return body;
  if (isBatch && headers['content-length'] === undefined && settings.switches.chunkedUpload === 'refuse') {
    throw invalidRequest('content-length: header is required');
  }
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip' || (isBatch && settings.switches.gzipBatchUpload === 'refuse')) {
    const message = `The request body encoding "${encoding}" is not supported.`;
    throw invalidRequest(message, { error_code: 'request_body_encoding_unsupported' });
  }
  try {
    return gunzipSync(body, { maxOutputLength: bodyBytesMax(context.limits.base(), path) });
  } catch (error) {
    if (error instanceof RangeError) {
      throw new Refusal(413, 'request_too_large', 'The request body is too large after decoding.', {
        details: { error_code: 'request_body_too_large_after_decoding' },
      });
    }
    throw invalidRequest('The request body is not valid gzip.');
  }
}
