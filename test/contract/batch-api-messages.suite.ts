/**
 * The batch API beside its batches: single messages, models and time, and that no call leaves anything behind.
 */
import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { ApiFailure } from '../../src/domain/failure-router.ts';
import type { MessageCall } from '../../src/domain/ports.ts';
import { answerFor } from '../../src/tools/sim/answer.ts';
import type { FaultName } from '../../src/tools/sim/faults.ts';
import { apiBench, collect, failureOf, KEY, never, paramsOf, turn, type Connect } from './batch-api.lab.ts';

export function batchApiMessagesSuite(name: string, connect: Connect): void {
  describe(`batch api: ${name}`, () => {
    const { bench, endedBatch } = apiBench(connect);

    describe('messages', () => {
      function call(text: string, more: Partial<MessageCall> = {}): MessageCall {
        return { paramsJson: JSON.stringify(paramsOf(text)), betas: [], stream: false, signal: never, ...more };
      }

      test('are answered with the message as JSON', async () => {
        const { api, world } = await bench();
        const message = JSON.parse(await api.createMessage(call('hello'))) as Record<string, unknown>;
        expect(message).toMatchObject({ type: 'message', role: 'assistant', stop_reason: 'end_turn' });
        expect(message['content']).toMatchObject([{ type: 'text', text: answerFor(paramsOf('hello')) }]);
        expect(world.ledger.messages).toHaveLength(1);
      });

      test('that are streamed add up to the same message, key for key', async () => {
        const { api, seen } = await bench();
        const text = 'a longer question with ünïcödé and 😀';
        const plain = JSON.parse(await api.createMessage(call(text))) as Record<string, unknown>;
        const streamed = JSON.parse(await api.createMessage(call(text, { stream: true, betas: ['b'] }))) as Record<
          string,
          unknown
        >;
        expect(seen.at(-1)?.headers.get('anthropic-beta')).toBe('b');
        expect(Object.keys(streamed).toSorted()).toEqual(Object.keys(plain).toSorted());
        expect(streamed['content']).toEqual(plain['content']);
      });

      test.each<[FaultName, Partial<ApiFailure>, number]>([
        ['message.429', { status: 429, retryAfterMs: 1_000 }, 0],
        ['message.500', { status: 500, type: 'api_error' }, 0],
        ['message.529', { status: 529, type: 'overloaded_error' }, 0],
        ['message.reset_before', { connection: 'lost' }, 0],
        ['message.reset', { connection: 'lost' }, 1],
      ])('%s is told once, plain and streamed', async (fault, expected, messages) => {
        for (const stream of [false, true]) {
          const { api, world } = await bench();
          world.failNext(fault);
          expect(await failureOf(api.createMessage(call('x', { stream })))).toMatchObject(expected);
          expect(world.ledger.messages).toHaveLength(messages);
          expect(world.ledger.calls.get('messages.create')).toBe(1);
        }
      });

      test('whose answer is no message are unreadable', async () => {
        const { api, world } = await bench();
        world.failNext('message.garbage_answer');
        expect(await failureOf(api.createMessage(call('x')))).toMatchObject({
          unreadable: true,
          connection: null,
          status: null,
        });
      });

      test('that are aborted say so, plain and streamed', async () => {
        for (const stream of [false, true]) {
          const { api, world } = await bench();
          world.failNext('message.hang');
          const abort = new AbortController();
          const failed = failureOf(api.createMessage(call('x', { stream, signal: abort.signal })));
          while (world.ledger.messages.length === 0) await turn();
          abort.abort();
          expect(await failed).toMatchObject({ connection: 'aborted', status: null });
        }
      });

      test('that cannot be served are a 400 with its type', async () => {
        const { api } = await bench();
        const empty = call('');
        expect(await failureOf(api.createMessage(empty))).toMatchObject({ status: 400, type: 'invalid_request_error' });
      });
    });

    test('many calls and downloads leave nothing hanging on the signal of the whole process', async () => {
      const made = await bench();
      const batch = await endedBatch(made, 2);
      const { signal } = new AbortController();
      for (let nth = 0; nth < 20; nth++) {
        await made.api.listBatches({ afterId: null, limit: 1, signal });
        await collect(made.api.streamResults(batch, signal));
        for (const stream of [false, true]) {
          const paramsJson = JSON.stringify(paramsOf('x'));
          await made.api.createMessage({ paramsJson, betas: [], stream, signal });
        }
      }
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    });

    describe('models and time', () => {
      test('a model is told with what it can do; one that does not exist is null', async () => {
        const { api } = await bench();
        const found = await api.retrieveModel('claude-sonnet-4-5', never);
        expect(found).toMatchObject({
          id: 'claude-sonnet-4-5-20250929',
          lifecycle: 'deprecated',
          deprecatedAtMs: Date.UTC(2026, 4, 29),
          retiresAtMs: Date.UTC(2026, 10, 30),
          contextTokens: 200_000,
          maxTokens: 64_000,
          batchSupported: true,
        });
        expect(found?.capabilities).toMatchObject({ structured_outputs: true, 'thinking.types.adaptive': false });
        expect(await api.retrieveModel('claude-9', never)).toBeNull();
      });

      test('tokens are counted of what count_tokens takes of a row, and its shape is judged', async () => {
        const { api } = await bench();
        const params = {
          model: 'claude-haiku-5-5',
          max_tokens: 8,
          messages: [{ role: 'user', content: 'x'.repeat(40) }],
        };
        const call = { betas: [], signal: never };
        expect(await api.countTokens({ ...call, paramsJson: JSON.stringify(params) })).toBe(10);
        const wrong = JSON.stringify({ ...params, thinking: { type: 'disabled' }, tool_choice: { type: 'sometimes' } });
        await expect(api.countTokens({ ...call, paramsJson: wrong })).rejects.toMatchObject({ code: 'E_API' });
      });

      test('the server’s clock is read to the second', async () => {
        const { api, clock } = await bench();
        clock.advance(12_345);
        expect(await api.serverTimeMs(never)).toBe(clock.now() - 345);
      });

      test('the key’s organization and workspace are those that the API names, by one call', async () => {
        const keys = { [KEY]: { organization: 'org-a', workspace: 'wrkspc_a' } };
        const { api, seen } = await bench({ keys });
        expect(await api.identify(never)).toEqual({ organization: 'org-a', workspace: 'wrkspc_a' });
        expect(seen).toHaveLength(1);
        const silent = await bench({ keys, switches: { identityHeaders: false } });
        expect(await silent.api.identify(never)).toEqual({ organization: null, workspace: null });
        const refused = await bench({ strictKeys: true });
        expect(await failureOf(refused.api.identify(never))).toMatchObject({ status: 401 });
      });
    });
  });
}
