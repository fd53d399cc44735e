/**
 * Streamed answers that take their time: the first token after a share of it, the rest evenly, and all of it at the end.
 */
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import type { SimOptions } from '../../../../src/tools/sim/options.ts';
import { createSimWorld } from '../../../../src/tools/sim/world.ts';

const TEXT = 'A long question that is said again in the answer. '.repeat(4);

/** Each event with the time at which it left. */
async function streamed(
  options: SimOptions,
  stream = true,
): Promise<{ readonly atMs: number; readonly event: string }[]> {
  const clock = new VirtualClock();
  const world = createSimWorld({ tier: 'scale', messageLatencyMs: [1_000, 1_000], ...options }, clock);
  const params = { model: 'claude-haiku-5-5', max_tokens: 200, stream, messages: [{ role: 'user', content: TEXT }] };
  const seen: { atMs: number; event: string }[] = [];
  const work = async (): Promise<void> => {
    const response = await world.handle({
      ...{ method: 'POST', path: '/v1/messages', body: Buffer.from(JSON.stringify(params)) },
      headers: { 'x-api-key': 'sim', 'anthropic-version': '2023-06-01' },
    });
    const note = (event: string): void =>
      void seen.push({ atMs: clock.monotonicMs(), event: event.split('\n')[0] ?? '' });
    if (response.paced) for await (const event of response.paced()) note(event);
    else for (const event of response.body) note(event);
  };
  await clock.run(work());
  return seen;
}

describe('a streamed answer', () => {
  it('has its first token after the share, its last at the end, and the others evenly between', async () => {
    const events = await streamed({ firstTokenShare: 0.25 });
    const deltas = events.filter(({ event }) => event === 'event: content_block_delta').map(({ atMs }) => atMs);
    expect(deltas.length).toBeGreaterThan(4);
    expect([deltas[0], deltas.at(-1)]).toEqual([250, 1_000]);
    const waits = deltas.slice(1).map((atMs, at) => atMs - (deltas[at] ?? 0));
    expect(Math.max(...waits) - Math.min(...waits)).toBeLessThanOrEqual(2);
    expect(events.at(-1)).toEqual({ atMs: 1_000, event: 'event: message_stop' });
  });

  it('says the same as one that comes at once', async () => {
    const [slow, quick] = [await streamed({ firstTokenShare: 0.5 }), await streamed({})];
    expect(slow.map(({ event }) => event)).toEqual(quick.map(({ event }) => event));
    expect(new Set(quick.map(({ atMs }) => atMs))).toEqual(new Set([1_000]));
  });

  it('takes the whole time also where there is nothing to say', async () => {
    const events = await streamed({ firstTokenShare: 0.25, rates: { refusalRate: 1 } });
    expect(events[0]?.atMs).toBe(250);
    expect(events.at(-1)?.atMs).toBe(1_000);
  });
});

it('an answer that is not streamed, or that fails on its way, takes the whole time before anything comes', async () => {
  expect((await streamed({ firstTokenShare: 0.25 }, false)).map(({ atMs }) => atMs)).toEqual([1_000]);
  const broken = await streamed({ firstTokenShare: 0.25, faults: { 'message.garbage_answer': 1 } });
  expect(broken.map(({ atMs }) => atMs)).toEqual([1_000]);
});
