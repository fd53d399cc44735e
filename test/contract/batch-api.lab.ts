/**
 * What the suites of the batch API work with: a simulated world with a connection to it, and what a call failed with.
 */
import { createHash } from 'node:crypto';
import { afterEach, expect, vi } from 'vitest';
import type { BatchrunError } from '../../src/base/errors.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { ApiFailure } from '../../src/domain/failure-router.ts';
import type { BatchInfo } from '../../src/domain/model.ts';
import type { BatchApi, BatchUpload, Files } from '../../src/domain/ports.ts';
import type { SimOptions } from '../../src/tools/sim/options.ts';
import { createSimWorld, type SimWorld } from '../../src/tools/sim/world.ts';
import { createMemoryFiles } from '../support/memory-files.ts';
import { put } from './files.suite.ts';

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export interface Seen {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
}

export interface Connection {
  readonly api: BatchApi;
  /** Every request that was made, in order. */
  readonly seen: readonly Seen[];
  close(): Promise<void>;
}

export type Connect = (parts: {
  readonly world: SimWorld;
  readonly files: Files;
  readonly clock: VirtualClock;
  readonly apiKey: string;
}) => Promise<Connection>;

export const KEY = 'sk-ant-api03-SECRETSECRETSECRET';
export const HOUR_MS = 3_600_000;
const MODEL = 'claude-haiku-5-5';
const BODY = 'runs/a/chunks/000001.json';
export const never = new AbortController().signal;

interface Bench extends Connection {
  readonly world: SimWorld;
  readonly clock: VirtualClock;
  readonly files: Files;
  upload(rows: number, more?: Partial<BatchUpload>): Promise<BatchUpload>;
  create(rows?: number, more?: Partial<BatchUpload>): Promise<BatchInfo>;
}

/** What a call failed with; that it is an E_API without the key in it is checked on the way. */
export async function failureOf(work: Promise<unknown>): Promise<ApiFailure> {
  const error = await errorOf(work);
  expect(error).toMatchObject({ name: 'BatchrunError', code: 'E_API' });
  const { message, hint, details } = error as BatchrunError;
  expect(JSON.stringify({ message, hint, details })).not.toContain('SECRETSECRET');
  return (details as { failure: ApiFailure }).failure;
}

export async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.unreachable('it was answered'),
    (error: unknown) => error,
  );
}

export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

export async function collect(pieces: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all).toString();
}

export function paramsOf(text: string): Record<string, unknown> {
  return { model: MODEL, max_tokens: 100, messages: [{ role: 'user', content: text }] };
}

function requestsText(rows: number): string {
  const requests = Array.from({ length: rows }, (_, at) => ({
    custom_id: `tag-1-${at}`,
    params: paramsOf(`question ${at}`),
  }));
  return JSON.stringify({ requests });
}

/** Closes after each test what was opened in it. */
export function apiBench(connect: Connect) {
  const open: Connection[] = [];

  afterEach(async () => {
    vi.useRealTimers();
    for (const connection of open.splice(0)) await connection.close();
  });

  async function bench(options: SimOptions = {}): Promise<Bench> {
    const clock = new VirtualClock();
    const world = createSimWorld({ batchDurationMs: [600_000, 600_000], messageLatencyMs: [0, 0], ...options }, clock);
    const files = createMemoryFiles({ streamBytes: 1_000 }).files();
    const connection = await connect({ world, files, clock, apiKey: KEY });
    open.push(connection);
    const upload: Bench['upload'] = async (rows, more = {}) => {
      const text = requestsText(rows);
      await put(files, BODY, text);
      const beforeTail = (): Promise<void> => Promise.resolve();
      return {
        bodyPath: BODY,
        bytes: Buffer.byteLength(text),
        sha256: sha256(text),
        betas: [],
        beforeTail,
        signal: never,
        ...more,
      };
    };
    const create: Bench['create'] = async (rows = 3, more) => connection.api.createBatch(await upload(rows, more));
    return { ...connection, world, clock, files, upload, create };
  }

  async function endedBatch(made: Bench, rows = 20): Promise<BatchInfo> {
    const { id } = await made.create(rows);
    made.clock.advance(HOUR_MS);
    return made.api.retrieveBatch(id, never);
  }

  return { bench, endedBatch };
}
