/**
 * Talks to a simulated world without any skin: one function per call, answers as plain values.
 */
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import type { WireFault } from '../../../../src/tools/sim/http.ts';
import type { SimOptions } from '../../../../src/tools/sim/options.ts';
import { createSimWorld, type SimWorld } from '../../../../src/tools/sim/world.ts';

export const VERSION = '2026-10-21';
export const MODEL = 'claude-haiku-5-5';
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;

export type Json = Record<string, unknown>;

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly json: Json;
  readonly fault: WireFault | undefined;
  /** error.message of the API's error shape. */
  readonly message: string;
  readonly errorType: string;
}

export interface Bench {
  readonly clock: VirtualClock;
  readonly world: SimWorld;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  create(requests: readonly unknown[], headers?: Record<string, string>): Promise<Reply>;
  /** Lines of the results, parsed. */
  results(id: string): Promise<Json[]>;
}

export function bench(options: SimOptions = {}): Bench {
  const clock = new VirtualClock();
  const world = createSimWorld({ batchDurationMs: [10 * MINUTE_MS, 10 * MINUTE_MS], ...options }, clock);
  const call: Bench['call'] = async (method, path, body, headers = {}) => {
    const bytes = body === undefined ? undefined : toBytes(body);
    const all = {
      'x-api-key': 'key',
      'anthropic-version': VERSION,
      ...(bytes === undefined ? {} : { 'content-length': String(bytes.length) }),
      ...headers,
    };
    const request = { method, path, headers: all, body: bytes, origin: 'http://sim.test' };
    const response = await clock.run(world.handle(request));
    const text = [...response.body].join('');
    const json = parse(text);
    const error = (json['error'] ?? {}) as { type?: string; message?: string };
    const { status, fault } = response;
    return {
      ...{ status, text, json, fault, headers: response.headers },
      message: error.message ?? '',
      errorType: error.type ?? '',
    };
  };
  return {
    clock,
    world,
    call,
    create: (requests, headers) => call('POST', '/v1/messages/batches', { requests }, headers),
    results: async (id) => {
      const reply = await call('GET', `/v1/messages/batches/${id}/results`);
      return reply.text.split('\n').filter(Boolean).map(parse);
    },
  };
}

function toBytes(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return {};
  }
}

export function row(customId: string, params: Json = {}): Json {
  return { custom_id: customId, params: paramsOf(`question ${customId}`, params) };
}

export function rows(count: number, prefix = 'row'): Json[] {
  return Array.from({ length: count }, (_, index) => row(`${prefix}-${index}`));
}

export function paramsOf(text: string, more: Json = {}): Json {
  return { model: MODEL, max_tokens: 100, messages: [{ role: 'user', content: text }], ...more };
}

export function idOf(reply: Reply): string {
  return String(reply.json['id']);
}

/** The kind and the text of an errored line. */
export function errorOf(line: Json | undefined): { type: string; message: string } {
  const result = line?.['result'] as { error?: { error?: { type: string; message: string } } } | undefined;
  return result?.error?.error ?? { type: '', message: '' };
}

export function typeOf(line: Json): string {
  return (line['result'] as { type: string }).type;
}

/** What the model said in a succeeded line. */
export function textOf(line: Json): string {
  const result = line['result'] as { message?: { content: { text: string }[] } };
  return result.message?.content[0]?.text ?? '';
}
