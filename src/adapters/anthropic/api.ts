/**
 * The Claude API through the official SDK. The SDK's own retries are off on every call: a create that is repeated
 * behind our back is a batch paid twice (facts, section 7 point 1), so the engine alone decides what is sent again.
 *
 * Bodies are streamed from their files, results are handed on as bytes: no batch is ever held as objects.
 */
import { createHash } from 'node:crypto';
import { Console } from 'node:console';
import Anthropic from '@anthropic-ai/sdk';
import type { Clock } from '../../base/clock.ts';
import { RESULT_IDLE_MS_MAX } from '../../domain/limits.ts';
import type { RateSeen } from '../../domain/pacing/rate-seen.ts';
import type { BatchApi, BatchUpload, Files } from '../../domain/ports.ts';
import type { BatchInfo } from '../../domain/model.ts';
import { parseBatch, parseModel, parsePage } from './parse.ts';
import { connectError, refuseBaseUrl } from './connect-error.ts';
import { apiError, retryAfterMs, toApiError, unreadable } from './failure.ts';
import { webSource, withIdleLimit } from './idle.ts';
import { countTokens } from './count-tokens.ts';
import { betaHeader, createMessage } from './message.ts';
import { bytesOf, createNodeFetch } from './node-fetch.ts';
import { ownSignal } from './own-signal.ts';
import { hasRates, ratesOf } from './rate-headers.ts';
import * as calls from './sdk-calls.ts';
import { uploadBody } from './upload-body.ts';

export interface AnthropicApiOptions {
  readonly files: Files;
  readonly clock: Clock;
  /** The stream for the SDK's own warnings. Its default would write debug output to stdout, which is data. */
  readonly stderr: NodeJS.WritableStream;
  /** Overrides the credential chain of the SDK. */
  readonly apiKey?: string;
  readonly baseURL?: string;
  /** Addresses that are taken although nobody should set them: runs were made there. */
  readonly knownOrigins?: readonly string[];
  /** For simulations without sockets; else a fetch of our own. */
  readonly fetch?: typeof fetch;
  /** What an answer of the batch endpoints says about limits, where it does. A refusal has it in its `ApiFailure`. */
  readonly onBatchRates?: (seen: RateSeen) => void;
}

/** Where the calls go and who makes them, for people: the key is never shown whole. */
export interface ApiIdentity {
  readonly api: BatchApi;
  readonly baseUrl: string;
  /** The credential as the Authorization header carries it, to be masked before it is shown. */
  readonly credential: string;
}

const BATCHES = '/v1/messages/batches';
/** A small call is over in seconds; the SDK's ten minutes would hide a dead connection for as long. */
const SMALL_CALL_TIMEOUT_MS = 60_000;
/** A create: ten minutes for the API, and the upload at no less than 50 kB/s. */
const CREATE_TIMEOUT_MS = 600_000;
const UPLOAD_BYTES_PER_MS_MIN = 50;

/**
 * Resolves the credentials (which may come from a profile, with a base URL of its own) and gives the API. Throws
 * E_CREDENTIALS where there are none; nothing is sent.
 */
export async function connectAnthropic(options: AnthropicApiOptions): Promise<ApiIdentity> {
  const client = new Anthropic({
    maxRetries: 0,
    timeout: SMALL_CALL_TIMEOUT_MS,
    logger: new Console(options.stderr),
    ...(options.apiKey === undefined ? {} : { apiKey: options.apiKey }),
    ...(options.baseURL === undefined ? {} : { baseURL: options.baseURL }),
    fetch: options.fetch ?? createNodeFetch(options),
  });
  const probe = '/v1/models';
  try {
    const { req, url } = await client.buildRequest({ method: 'get', path: probe });
    const headers = new Headers(req.headers);
    const credential = headers.get('authorization')?.replace(/^Bearer /, '') ?? headers.get('x-api-key') ?? '';
    const workspace = headers.get(WORKSPACE) ?? `key_${fingerprint(credential)}`;
    const baseUrl = url.slice(0, url.lastIndexOf(probe));
    // A run that was made there is followed, or given up, there and nowhere else.
    if (options.knownOrigins?.includes(baseUrl) !== true) refuseBaseUrl(baseUrl);
    return { api: createApi(client, { ...options, origin: baseUrl, workspace }), baseUrl, credential };
  } catch (error) {
    throw connectError(error, options.clock.now());
  }
}

/** Asks for one of several workspaces. */
const WORKSPACE = 'anthropic-workspace-id';

/** Tells keys apart without keeping them. */
function fingerprint(credential: string): string {
  return createHash('sha256').update(credential).digest('hex').slice(0, 16);
}

interface ApiParts extends AnthropicApiOptions {
  readonly origin: string;
  readonly workspace: string;
}

/** Tells what an answer of a batch endpoint says about limits, and hands it on. */
function seenBatch(parts: ApiParts, response: Response): Response {
  const seen = ratesOf(response.headers, parts.clock.now());
  if (hasRates(seen)) parts.onBatchRates?.(seen);
  return response;
}

function createApi(client: Anthropic, parts: ApiParts): BatchApi {
  const { clock } = parts;
  const guarded = async <T>(outer: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const own = ownSignal(outer);
    try {
      return await work(own.signal);
    } catch (error) {
      throw toApiError(error, clock.now());
    } finally {
      own.release();
    }
  };
  const read = async (answer: Promise<Response>): Promise<{ body: string; headers: Headers }> => {
    const response = await answer;
    return { body: await response.text(), headers: response.headers };
  };
  const cheap = (signal: AbortSignal): ReturnType<typeof read> =>
    read(calls.firstModel(client, { signal, maxRetries: 0 }));
  const batches = async (answer: Promise<Response>): Promise<Response> => seenBatch(parts, await answer);
  const wait = (headers: Headers): number | null =>
    retryAfterMs(headers.get('retry-after-ms'), headers.get('retry-after'), dateOf(headers) ?? clock.now());

  return {
    origin: parts.origin,
    workspace: parts.workspace,
    createBatch: (upload) => guarded(upload.signal, (signal) => createBatch(client, parts, { ...upload, signal })),
    listBatches: ({ afterId, limit, signal: outer }) =>
      guarded(outer, async (signal) => {
        const answer = calls.listBatches(client, { afterId, limit }, { signal, maxRetries: 0 });
        const { body, headers } = await read(batches(answer));
        return { ...parsePage(body), retryAfterMs: wait(headers), serverTimeMs: dateOf(headers) };
      }),
    retrieveBatch: (id, outer) =>
      guarded(outer, async (signal) => {
        const { body, headers } = await read(batches(calls.retrieveBatch(client, id, { signal, maxRetries: 0 })));
        return { ...parseBatch(body, 'the look at a batch'), retryAfterMs: wait(headers) };
      }),
    cancelBatch: (id, outer) =>
      guarded(outer, async (signal) => {
        const { body } = await read(batches(calls.cancelBatch(client, id, { signal, maxRetries: 0 })));
        return parseBatch(body, 'the cancel of a batch');
      }),
    deleteBatch: (id, outer) =>
      guarded(outer, async (signal) => {
        await read(batches(calls.deleteBatch(client, id, { signal, maxRetries: 0 })));
      }),
    streamResults: (batch, signal) => streamResults(client, parts, batch, signal),
    createMessage: (call) => guarded(call.signal, (signal) => createMessage(client, clock, { ...call, signal })),
    countTokens: (call) => guarded(call.signal, (signal) => countTokens(client, { ...call, signal })),
    retrieveModel: (id, outer) =>
      guarded(outer, async (signal) => {
        try {
          return parseModel((await read(calls.retrieveModel(client, id, { signal, maxRetries: 0 }))).body);
        } catch (error) {
          if (typeof error === 'object' && error !== null && 'status' in error && error.status === 404) return null;
          throw error;
        }
      }),
    serverTimeMs: (outer) => guarded(outer, async (signal) => dateOf((await cheap(signal)).headers)),
    identify: (outer) =>
      guarded(outer, async (signal) => {
        const { organization, workspace } = ratesOf((await cheap(signal)).headers, clock.now());
        return { organization, workspace };
      }),
  };
}

/** The API's own clock: ours may be wrong. */
function dateOf(headers: Headers): number | null {
  const date = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(date) ? null : date;
}

async function createBatch(client: Anthropic, parts: ApiParts, upload: BatchUpload): Promise<BatchInfo> {
  const response = await calls.createBatch(client, {
    // Asked for a piece only when one is wanted: the SDK's own stream around it would hold one in store.
    // Our own fetch has sent a piece before it asks for the next one; another may gather them.
    body: ReadableStream.from(uploadBody(parts.files, upload, { reuse: parts.fetch === undefined })),
    headers: {
      'content-type': 'application/json',
      'content-length': String(upload.bytes),
      ...betaHeader(upload.betas),
    },
    maxRetries: 0,
    timeout: CREATE_TIMEOUT_MS + Math.ceil(upload.bytes / UPLOAD_BYTES_PER_MS_MIN),
    signal: upload.signal,
  });
  return parseBatch(await seenBatch(parts, response).text(), 'the create of a batch');
}

async function* streamResults(
  client: Anthropic,
  parts: ApiParts,
  batch: BatchInfo,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const own = ownSignal(signal);
  const silence = { met: false };
  try {
    const response = await client
      .get(resultsPath(batch, parts.origin), {
        headers: { accept: 'application/binary' },
        maxRetries: 0,
        signal: own.signal,
      })
      .asResponse();
    seenBatch(parts, response);
    if (!response.body) throw unreadable('the download of results');
    const direct = bytesOf(response);
    const pieces = withIdleLimit(direct ?? webSource(response.body), {
      clock: parts.clock,
      idleMs: RESULT_IDLE_MS_MAX,
      timer: direct ? 'kept' : 'fresh',
      onIdle: () => {
        silence.met = true;
        own.abort();
      },
    });
    for await (const piece of pieces) {
      yield piece;
      // What was read ahead is not wanted any more either.
      own.signal.throwIfAborted();
    }
  } catch (error) {
    if (silence.met) {
      throw apiError({
        status: null,
        type: null,
        errorCode: null,
        message: `the results of ${batch.id} stood still for ${RESULT_IDLE_MS_MAX / 1000} s`,
        retryAfterMs: null,
        shouldRetry: null,
        requestId: null,
        connection: 'timeout',
        unreadable: false,
      });
    }
    throw toApiError(error, parts.clock.now());
  } finally {
    // A consumer that stops early must not leave the connection open.
    own.abort();
    own.release();
  }
}

/** The API's own address for the results where it is on our host (the key goes along), else the documented path. */
function resultsPath(batch: BatchInfo, origin: string): string {
  const standard = `${BATCHES}/${encodeURIComponent(batch.id)}/results`;
  if (batch.resultsUrl === null || !URL.canParse(batch.resultsUrl)) return standard;
  // Below the base URL, path included: a gateway serves nothing outside its prefix.
  return batch.resultsUrl.startsWith(`${origin}/`) ? batch.resultsUrl : standard;
}
