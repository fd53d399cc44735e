/**
 * The one error class of batchrun, and what it means for whoever runs the command.
 *
 * Every error that a user can meet has a code in the catalogue (error-catalogue.ts), and the catalogue gives
 * the exit code and what to do next. Errors are told apart by their code, never by `instanceof` or by text.
 * A broken promise inside batchrun is an `invariant`: it stops the process, and the state is kept.
 */
import { ERROR_CATALOGUE } from './error-catalogue.ts';

/** The codes of all errors. */
export type ErrorCode = keyof typeof ERROR_CATALOGUE;

export interface BatchrunErrorOptions {
  /** What to do next, where something better can be said than the catalogue's general hint. */
  readonly hint?: string;
  /** Facts for `--json` and the log: never prompts, answers or keys. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** What batchrun throws: told apart by its code, with what to do next in `hint`. */
export class BatchrunError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly exit: number;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: BatchrunErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BatchrunError';
    this.code = code;
    const entry = ERROR_CATALOGUE[code];
    this.hint = options.hint ?? entry.hint;
    this.exit = entry.exit;
    this.details = options.details ?? {};
  }
}

/** Is this an error of ours (with this code)? Works for errors from another copy of the module as well. */
export function isBatchrunError(error: unknown, code?: ErrorCode): error is BatchrunError {
  return (
    error instanceof Error &&
    error.name === 'BatchrunError' &&
    'code' in error &&
    (code === undefined || error.code === code)
  );
}

/** States what must be so. When it is not, that is a bug of batchrun: stop before it does harm. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BatchrunError('E_BUG', `this must not happen: ${message}`);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` that Node and SQLite put on their errors (`ENOENT`, `SQLITE_BUSY`, …), or undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

const FILE_REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is a file',
  ENOENT: 'no such file or folder',
  EFBIG: 'the file would be larger than allowed here',
};

/** Why the system refuses a file, in words for whoever named it. */
export function fileReasonOf(error: unknown): string {
  return FILE_REASONS[systemCodeOf(error) ?? ''] ?? messageOf(error);
}
