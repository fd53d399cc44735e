/**
 * The body of a POST: a small JSON object, and said to be one. A form of another site cannot say that, which is half of
 * the defence against requests that a browser makes for someone else; the token is the other half.
 */
import type { IncomingMessage } from 'node:http';
import type { Refused } from './guard.ts';

const BODY_BYTES_MAX = 16 * 1024;

export type Body = { readonly value: Readonly<Record<string, unknown>> } | { readonly refused: Refused };

export async function readBody(request: IncomingMessage): Promise<Body> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') return refused(415, 'the body must be application/json');
  // Node takes no more than was announced, so nothing has to be cut off in the middle.
  const announced = request.headers['content-length'];
  if (announced === undefined) return refused(411, 'the body must say how long it is');
  if (Number(announced) > BODY_BYTES_MAX) return refused(413, 'the body is too large');
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  try {
    const value: unknown = JSON.parse(Buffer.concat(pieces).toString());
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return refused(400, 'the body is no object');
    return { value: value as Record<string, unknown> };
  } catch {
    return refused(400, 'the body is no JSON');
  }
}

function refused(status: number, message: string): Body {
  return { refused: { status, message, hint: '' } };
}
