/**
 * Gathers the body of a request for both skins, up to a bound.
 *
 * Where the length is announced, the bytes go straight into one buffer of that size: 256 MB are held once, not twice.
 */

export interface CollectOptions {
  /** From content-length; undefined where the body comes chunked. At most bytesMax. */
  readonly announcedBytes: number | undefined;
  readonly bytesMax: number;
}

/** Undefined when it is longer than bytesMax; the rest is then read and thrown away. */
export async function collectBody(
  pieces: AsyncIterable<Uint8Array>,
  options: CollectOptions,
): Promise<Buffer | undefined> {
  const { announcedBytes, bytesMax } = options;
  const whole = announcedBytes === undefined ? undefined : Buffer.allocUnsafe(announcedBytes);
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    if (whole !== undefined) whole.set(piece.subarray(0, Math.max(0, whole.length - bytes)), bytes);
    else if (bytes + piece.length <= bytesMax) kept.push(piece);
    else kept.length = 0;
    bytes += piece.length;
  }
  if (bytes > bytesMax) return undefined;
  // Shorter or longer than announced: the caller sees it by the length.
  if (whole !== undefined && bytes <= whole.length) return whole.subarray(0, bytes);
  return Buffer.concat(kept, bytes);
}

/** The number in a content-length header, where there is one. */
export function announcedBytes(headers: Readonly<Record<string, string>>): number | undefined {
  const text = headers['content-length'];
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
}
