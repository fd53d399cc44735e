/**
 * Small helpers for values that came from outside: nothing in the simulator trusts the shape of what it was sent.
 */

export type JsonRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/**
 * The same text in memory of its own. A slice of a long string keeps the whole string alive in V8, and a batch
 * keeps 100,000 of them.
 */
export function detached(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

/** The longest beginning of a text that fits into so many UTF-8 bytes without cutting a character. */
export function firstBytes(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  const bytes = Buffer.from(text, 'utf8');
  let end = bytesMax;
  // Bytes 10xxxxxx continue a character: step back to its first byte.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString('utf8');
}
