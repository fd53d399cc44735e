/**
 * Errors on their way from one thread to another: what is cloned there loses its class, and ours say more than a text.
 */
import { BatchrunError, isBatchrunError, messageOf, type ErrorCode } from '../../base/errors.ts';

export type PackedError =
  | {
      readonly ours: true;
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string;
      readonly details: Readonly<Record<string, unknown>>;
    }
  | { readonly ours: false; readonly message: string; readonly stack: string };

export function packError(error: unknown): PackedError {
  if (isBatchrunError(error)) {
    const { code, message, hint, details } = error;
    return { ours: true, code, message, hint, details };
  }
  const message = messageOf(error);
  return { ours: false, message, stack: error instanceof Error ? (error.stack ?? message) : message };
}

export function unpackError(packed: PackedError): Error {
  if (packed.ours)
    return new BatchrunError(packed.code, packed.message, { hint: packed.hint, details: packed.details });
  const error = new Error(packed.message);
  error.stack = packed.stack;
  return error;
}
