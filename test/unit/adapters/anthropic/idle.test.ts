/**
 * A limit on silence: each piece starts the wait anew, only silence breaks the connection, and nothing stays behind.
 */
import { describe, expect, test } from 'vitest';
import { createWatch, webSource, withIdleLimit } from '../../../../src/adapters/anthropic/idle.ts';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';

interface Body {
  readonly stream: ReadableStream<Uint8Array>;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  canceled(): boolean;
}

function body(): Body {
  let canceled = false;
  const held: ReadableStreamDefaultController<Uint8Array>[] = [];
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => void held.push(controller),
    cancel: () => {
      canceled = true;
    },
  });
  const [controller] = held;
  if (!controller) throw new Error('a stream starts at once');
  return { stream, controller, canceled: () => canceled };
}

async function turns(): Promise<void> {
  for (let nth = 0; nth < 5; nth++) await new Promise((resolve) => setImmediate(resolve));
}

type Timer = 'kept' | 'fresh';

function limited(
  made: Body,
  clock: VirtualClock,
  timer: Timer,
): { pieces: AsyncIterator<Buffer>; broken: () => number } {
  let broken = 0;
  const pieces = withIdleLimit(webSource(made.stream), {
    clock,
    idleMs: 100,
    timer,
    onIdle: () => {
      broken++;
    },
  });
  return { pieces: pieces[Symbol.asyncIterator](), broken: () => broken };
}

describe.each<Timer>(['kept', 'fresh'])('with a timer that is %s', (timer) => {
  test('pieces come through as buffers, and the end is an end', async () => {
    const [clock, made] = [new VirtualClock(), body()];
    const { pieces, broken } = limited(made, clock, timer);
    made.controller.enqueue(new Uint8Array([0, 1, 2, 3]).subarray(1, 3));
    made.controller.close();
    expect(await pieces.next()).toEqual({ done: false, value: Buffer.from([1, 2]) });
    expect((await pieces.next()).done).toBe(true);
    expect([broken(), clock.sleeping]).toEqual([0, 0]);
  });

  test('each piece starts the wait anew', async () => {
    const [clock, made] = [new VirtualClock(), body()];
    const { pieces, broken } = limited(made, clock, timer);
    for (let nth = 0; nth < 5; nth++) {
      const next = pieces.next();
      await turns();
      clock.advance(99);
      made.controller.enqueue(new Uint8Array([nth]));
      expect(await next).toMatchObject({ done: false });
    }
    expect([broken(), clock.monotonicMs()]).toEqual([0, 495]);
  });

  test('the time that the reader takes for itself does not count', async () => {
    const [clock, made] = [new VirtualClock(), body()];
    const { pieces, broken } = limited(made, clock, timer);
    made.controller.enqueue(new Uint8Array([1]));
    await pieces.next();
    clock.advance(10_000);
    made.controller.enqueue(new Uint8Array([2]));
    expect(await pieces.next()).toMatchObject({ done: false });
    expect(broken()).toBe(0);
  });

  test('silence breaks the connection once and ends with an error, although the stream does not notice', async () => {
    const [clock, made] = [new VirtualClock(), body()];
    const { pieces, broken } = limited(made, clock, timer);
    const failed = pieces.next().then(
      () => 'a piece',
      (error: unknown) => (error as Error).message,
    );
    await turns();
    clock.advance(100);
    expect(await failed).toBe('no bytes arrived');
    expect([broken(), made.canceled(), clock.sleeping]).toEqual([1, true, 0]);
    expect((await pieces.next()).done).toBe(true);
  });

  test('an error of the stream comes out as it is, and the watch ends', async () => {
    const [clock, made] = [new VirtualClock(), body()];
    const { pieces, broken } = limited(made, clock, timer);
    const own = new Error('other side closed');
    const failed = pieces.next().catch((error: unknown) => error);
    made.controller.error(own);
    expect(await failed).toBe(own);
    expect([broken(), clock.sleeping]).toEqual([0, 0]);
  });

  test('a reader that leaves early cancels the stream', async () => {
    const [clock, made] = [new VirtualClock(), body()];
    const { pieces } = limited(made, clock, timer);
    made.controller.enqueue(new Uint8Array([1]));
    await pieces.next();
    await pieces.return?.();
    expect([made.canceled(), clock.sleeping]).toEqual([true, 0]);
  });
});

test('a kept timer is one for all pieces, and a fresh one does not stay while the reader is busy', async () => {
  for (const timer of ['kept', 'fresh'] as const) {
    const [clock, made] = [new VirtualClock(), body()];
    const { pieces } = limited(made, clock, timer);
    for (let nth = 0; nth < 3; nth++) {
      made.controller.enqueue(new Uint8Array([nth]));
      await pieces.next();
      expect(clock.sleeping).toBe(timer === 'kept' ? 1 : 0);
    }
    await pieces.return?.();
    expect(clock.sleeping).toBe(0);
  }
});

describe('a watch', () => {
  test('strikes when the silence is as long as the limit, counted from the last turn', async () => {
    const clock = new VirtualClock();
    let struck = 0;
    const watch = createWatch({ clock, idleMs: 100, onIdle: () => struck++ });
    watch.listen();
    for (const ms of [60, 60, 60]) {
      clock.advance(ms);
      await turns();
      watch.listen();
    }
    clock.advance(99);
    await turns();
    expect([struck, clock.sleeping]).toEqual([0, 1]);
    clock.advance(1);
    await turns();
    expect([struck, clock.sleeping]).toEqual([1, 0]);
  });

  test('that rests does not strike, and listens again with a timer of its own', async () => {
    const clock = new VirtualClock();
    let struck = 0;
    const watch = createWatch({ clock, idleMs: 100, onIdle: () => struck++ });
    watch.listen();
    watch.rest();
    clock.advance(1_000);
    await turns();
    expect([struck, clock.sleeping]).toEqual([0, 0]);
    watch.listen();
    clock.advance(100);
    await turns();
    expect(struck).toBe(1);
  });

  test('that was stopped leaves nothing behind, also where it listens again at once', async () => {
    const clock = new VirtualClock();
    let struck = 0;
    const watch = createWatch({ clock, idleMs: 100, onIdle: () => struck++ });
    watch.listen();
    watch.stop();
    watch.listen();
    await turns();
    expect(clock.sleeping).toBe(1);
    watch.stop();
    clock.advance(1_000);
    await turns();
    expect([struck, clock.sleeping]).toEqual([0, 0]);
  });
});
