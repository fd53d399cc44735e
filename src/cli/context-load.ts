/**
 * What a load test measures with, put together: the composition root of `batchrun loadtest`. The SDK is loaded only where
 * its credentials are looked for.
 */
import { isBatchrunError } from '../base/errors.ts';
import type { MessagesTarget } from '../adapters/load/target.ts';
import type { LoadClient } from '../domain/load.ts';
import { poolKeys } from './drive/key-pool.ts';

export type { MessagesTarget };

/** The API of ANTHROPIC_BASE_URL, or the one at a base URL; with the key that the SDK finds. */
export async function apiTarget(baseUrl: string | null): Promise<MessagesTarget> {
  const { keylessTarget, messagesTarget } = await import('../adapters/load/target.ts');
  const [apiKey] = poolKeys(undefined, process.env);
  try {
    return await messagesTarget({
      stderr: process.stderr,
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(baseUrl === null ? {} : { baseURL: baseUrl }),
    });
  } catch (error) {
    // A server of one's own may want no key.
    if (baseUrl !== null && isBatchrunError(error, 'E_CREDENTIALS')) return keylessTarget(baseUrl);
    throw error;
  }
}

export async function simTarget(origin: string): Promise<MessagesTarget> {
  return (await import('../adapters/load/target.ts')).keylessTarget(origin);
}

export async function connectLoad(target: MessagesTarget): Promise<LoadClient> {
  return (await import('../adapters/load/client.ts')).createLoadClient(target);
}

/** The key as the headers carry it, to be masked before it is shown; '' where there is none. */
export async function credentialIn({ headers }: MessagesTarget): Promise<string> {
  const { NO_KEY } = await import('../adapters/load/target.ts');
  const credential = headers['authorization']?.replace(/^Bearer /, '') ?? headers['x-api-key'] ?? '';
  return credential === NO_KEY ? '' : credential;
}
