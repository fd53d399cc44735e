/**
 * The token of a page: BATCHRUN_TOKEN where it is set, else a new one for each start. It stands behind the # of the
 * address that is printed, so that no server and no log sees it.
 */
import { randomBytes } from 'node:crypto';
import { BatchrunError } from '../../base/errors.ts';

export const TOKEN_VARIABLE = 'BATCHRUN_TOKEN';
/** What is shorter can be guessed. */
const CHARS_MIN = 16;

export function pageToken(env: NodeJS.ProcessEnv): string {
  const given = env[TOKEN_VARIABLE];
  if (given === undefined || given === '') return unguessable();
  if (given.length >= CHARS_MIN && /^[\x21-\x7e]+$/.test(given)) return given;
  throw new BatchrunError('E_CONFIG', `${TOKEN_VARIABLE} is no good token`, {
    hint: `Give at least ${CHARS_MIN} letters, digits and signs without spaces, or unset it: then each start draws its own.`,
  });
}

export function unguessable(): string {
  return randomBytes(24).toString('base64url');
}

export function withToken(url: string, token: string): string {
  return `${url}#token=${encodeURIComponent(token)}`;
}
