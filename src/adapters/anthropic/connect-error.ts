/**
 * What can be wrong before the first call: where the calls would go, and the key that goes along. Nothing was sent.
 */
import { BatchrunError, messageOf, systemCodeOf } from '../../base/errors.ts';
import { toApiError } from './failure.ts';

/** Throws where no call below this address can reach the API. `named` is what people set it with. */
export function refuseBaseUrl(baseUrl: string, named = 'ANTHROPIC_BASE_URL'): void {
  if (!/^https?:\/\//.test(baseUrl)) {
    throw new BatchrunError('E_CONFIG', `the base URL ${baseUrl} is not http or https`, {
      hint: `Write ${named} with its scheme, for example http://127.0.0.1:8787.`,
    });
  }
  // Other APIs have it there. Each call would get a 404 that looks as if it could pass.
  const before = /^(.*)\/v1(?:\/messages(?:\/batches)?)?$/.exec(baseUrl)?.[1];
  if (before === undefined) return;
  throw new BatchrunError('E_CONFIG', `the base URL ${baseUrl} goes too far: every call adds /v1/… to it`, {
    hint: `Set ${named} to ${before}.`,
  });
}

/** What is thrown while the first request is put together. `named` is what people set the address with. */
export function connectError(error: unknown, nowMs: number, named = 'ANTHROPIC_BASE_URL'): BatchrunError {
  if (systemCodeOf(error) === 'ERR_INVALID_URL') {
    return new BatchrunError('E_CONFIG', `the base URL is not a URL: ${messageOf(error)}`, {
      hint: `Check ${named}: it begins with https:// or http://.`,
    });
  }
  if (isUnsendable(error)) {
    // Without its cause: what Node says of it quotes the key.
    return new BatchrunError('E_CREDENTIALS', 'the API key has a character in it that no key has and no header takes', {
      hint: 'Set ANTHROPIC_API_KEY again as the Console shows it: in one line, without an ellipsis (and ANTHROPIC_CUSTOM_HEADERS, where that is set).',
    });
  }
  return toApiError(error, nowMs);
}

/** A line feed in the middle of a key, or `sk-ant-…` as a manual writes it. */
function isUnsendable(error: unknown): boolean {
  return error instanceof TypeError && /invalid header value|ByteString/i.test(error.message);
}
