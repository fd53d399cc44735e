/**
 * Answers on their way out: JSON whole, files piece by piece, no faster than they are taken.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { WebAnswer } from '../../domain/web.ts';

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const bytes = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': bytes.length });
  response.end(bytes);
}

export async function sendFile(
  response: ServerResponse,
  { name, type, pieces }: Extract<WebAnswer, { kind: 'file' }>,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { 'content-type': type, 'content-disposition': disposition(name) });
  for await (const piece of pieces) {
    if (signal.aborted) return;
    if (response.write(piece)) continue;
    // Gone readers never drain: then the signal says so.
    await once(response, 'drain', { signal }).catch(() => undefined);
  }
  response.end();
}

/** Whatever is in the name of a file, it ends no header and leaves no folder. */
function disposition(name: string): string {
  const plain = name.replace(/[^\w.-]+/g, '_').slice(-120) || 'download';
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(name.slice(-120).replace(/\p{Cs}/gu, '_'))}`;
}
