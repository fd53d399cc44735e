/**
 * Where a load test sends its messages, and with which headers. Credentials are found as the SDK finds them; they are in
 * the headers only, and whoever shows something of them masks it.
 */
import { Console } from 'node:console';
import Anthropic from '@anthropic-ai/sdk';
import { connectError, refuseBaseUrl } from '../anthropic/connect-error.ts';

export interface MessagesTarget {
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface TargetOptions {
  readonly stderr: NodeJS.WritableStream;
  /** Overrides the credential chain of the SDK. */
  readonly apiKey?: string;
  /** In place of ANTHROPIC_BASE_URL. */
  readonly baseURL?: string;
}

const API_VERSION = '2023-06-01';
const PATH = '/v1/messages';
/** What people set the address with. */
const NAMED = 'ANTHROPIC_BASE_URL (or --target)';
/** Answers as they are: what packs them would be in the times. */
const PLAIN = { 'content-type': 'application/json', accept: '*/*', 'accept-encoding': 'identity' } as const;

/** Throws E_CREDENTIALS where there are none. Nothing is sent. */
export async function messagesTarget({ stderr, apiKey, baseURL }: TargetOptions): Promise<MessagesTarget> {
  try {
    const client = new Anthropic({
      maxRetries: 0,
      logger: new Console(stderr),
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(baseURL === undefined ? {} : { baseURL }),
    });
    const { req, url } = await client.buildRequest({ method: 'post', path: PATH, body: {} });
    refuseBaseUrl(url.slice(0, url.lastIndexOf(PATH)), NAMED);
    const headers = Object.fromEntries(new Headers(req.headers));
    delete headers['content-length'];
    return { url: new URL(url), headers: { ...headers, ...PLAIN } };
  } catch (error) {
    throw connectError(error, Date.now(), NAMED);
  }
}

/** What stands in place of a key: servers that want none may still look whether there is one. It is no secret. */
export const NO_KEY = 'sim';

/** Of a server that asks for no key: the simulator, a stand-in. */
export function keylessTarget(origin: string): MessagesTarget {
  refuseBaseUrl(origin.replace(/\/+$/, ''), NAMED);
  const headers = { 'x-api-key': NO_KEY, 'anthropic-version': API_VERSION, ...PLAIN };
  return { url: new URL(`${origin.replace(/\/+$/, '')}${PATH}`), headers };
}
