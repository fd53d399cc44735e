/**
 * Mix files, prompts that are made up, and conversations.
 */
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import type { LoadAnswer } from '../../../../src/domain/load.ts';
import { NO_USAGE } from '../../../../src/domain/model.ts';
import { Conversation, FOLLOW_UP } from '../../../../src/tools/loadtest/conversation.ts';
import { MixDraw, readMix, type MixDefaults, type MixEntry } from '../../../../src/tools/loadtest/mix.ts';
import { syntheticPrompt } from '../../../../src/tools/loadtest/prompts.ts';

const DEFAULTS: MixDefaults = {
  ...{ model: undefined, maxTokens: 256, turns: 1, system: undefined, betas: [], params: {} },
};

function answered(text: string | null, kind?: string): LoadAnswer {
  return {
    ...{ sentAtMs: 0, endedAtMs: 1, connectMs: null, firstByteMs: 1, firstTokenMs: null, status: 200, bytes: 1 },
    ...{ requestId: null, rates: null, usage: NO_USAGE, model: null, text },
    failure: kind === undefined ? null : { kind, refusal: null, retryAfterMs: null },
  };
}

function entryOf(value: object, defaults: Partial<MixDefaults> = {}): MixEntry {
  const [entry] = readMix([value], 'mix.json', { ...DEFAULTS, ...defaults });
  if (!entry) throw new Error('no entry');
  return entry;
}

interface Body {
  readonly model: string;
  readonly max_tokens: number;
  readonly system?: string;
  readonly stream?: boolean;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

describe('a mix file', () => {
  it('has kinds of requests with shares, filled up from the flags', () => {
    const entries = readMix(
      {
        requests: [
          { model: 'claude-haiku-5-5', share: '80%', prompt_tokens: 500, max_tokens: 200, name: 'short' },
          { share: 20, prompt: ['Hello', 'And now?'], turns: 2, system: 'Be brief.' },
        ],
      },
      'mix.yaml',
      { ...DEFAULTS, model: 'claude-sonnet-5-5', system: 'Else.' },
    );
    expect(entries).toEqual([
      {
        ...{ name: 'short', model: 'claude-haiku-5-5', share: 80, maxTokens: 200, turns: 1, betas: [] },
        ...{ ask: { kind: 'tokens', tokens: 500 }, params: { system: 'Else.' }, addedTokens: 0 },
      },
      {
        ...{ name: 'claude-sonnet-5-5', model: 'claude-sonnet-5-5', share: 20, maxTokens: 256, turns: 2, betas: [] },
        ...{ ask: { kind: 'texts', texts: ['Hello', 'And now?'] }, params: { system: 'Be brief.' }, addedTokens: 0 },
      },
    ]);
  });

  it('may be a list alone; kinds of one name are told apart', () => {
    const one = { model: 'm', prompt: 'x' };
    expect(readMix([one, one], 'mix.json', DEFAULTS).map(({ name }) => name)).toEqual(['1 m', '2 m']);
  });

  it.each([
    [{}, 'must be a list'],
    [[], 'must be a list'],
    [{ requests: [], more: 1 }, '"more" is not known'],
    [['text'], 'request 1 must be an object'],
    [[{ prompt: 'x' }], 'names no model'],
    [[{ model: 'm' }], 'needs either "prompt"'],
    [[{ model: 'm', prompt: 'x', prompt_tokens: 5 }], 'needs either "prompt"'],
    [[{ model: 'm', prompt: '' }], '"prompt" must be a text'],
    [[{ model: 'm', prompt: ['x', 1] }], '"prompt" must be a text or a list'],
    [[{ model: 'm', prompt: 'x', share: 0 }], '"share" must be a number above 0'],
    [[{ model: 'm', prompt: 'x', max_tokens: 1.5 }], '"max_tokens" must be a whole number'],
    [[{ model: 'm', prompt: 'x', max_token: 5 }], 'did you mean max_tokens?'],
    [[{ model: 'm', prompt: 'x', turns: 101 }], '"turns" must be'],
  ])('%j is refused', (value, what) => {
    expect(() => readMix(value, 'mix.json', DEFAULTS)).toThrow(what);
  });

  it('is drawn from by its shares', () => {
    const entries = [entryOf({ model: 'a', prompt: 'x', share: 3 }), entryOf({ model: 'b', prompt: 'x', share: 1 })];
    const draw = new MixDraw(entries, seededRng(5));
    const names = Array.from({ length: 4_000 }, () => draw.next().name);
    const share = names.filter((name) => name === 'a').length / names.length;
    expect(Math.abs(share - 0.75)).toBeLessThan(0.03);
  });
});

describe('prompts that are made up', () => {
  it.each([1, 20, 500, 10_000])('have about %i tokens', (tokens) => {
    const text = syntheticPrompt('claude-haiku-5-5', tokens, seededRng(1));
    // Of newer models a token is 3.5 bytes of English.
    expect(Math.abs(Buffer.byteLength(text) - tokens * 3.5)).toBeLessThanOrEqual(8);
    expect(text.trim()).not.toBe('');
  });

  it('are never the same twice', () => {
    const rng = seededRng(1);
    const texts = new Set(Array.from({ length: 100 }, () => syntheticPrompt('claude-haiku-5-5', 100, rng)));
    expect(texts.size).toBe(100);
  });
});

describe('a conversation', () => {
  const body = (text: string): Body => JSON.parse(text) as Body;

  it('carries all that was said, the real answers too, and ends after its turns', () => {
    const entry = entryOf({ model: 'm', prompt: ['One', 'Two'], turns: 3, max_tokens: 9, system: 'S' });
    const talk = new Conversation(entry, seededRng(1));
    expect(body(talk.next(false))).toEqual({
      ...{ model: 'm', max_tokens: 9, system: 'S' },
      messages: [{ role: 'user', content: 'One' }],
    });
    expect(talk.hear(answered('First. \n'))).toBe(true);
    expect(body(talk.next(true))).toMatchObject({ stream: true });
    expect(talk.hear(answered('Second.'))).toBe(true);
    expect(body(talk.next(false)).messages.map(({ role, content }) => `${role}: ${content}`)).toEqual([
      'user: One',
      'assistant: First.',
      'user: Two',
      'assistant: Second.',
      'user: One',
    ]);
    expect(talk.hear(answered('Third.'))).toBe(false);
  });

  it('is asked with the model and the max_tokens that costs are counted by, whatever the params say', () => {
    const params = { model: 'dear', max_tokens: 9_999, temperature: 0 };
    const talk = new Conversation(entryOf({ model: 'm', prompt: 'x', max_tokens: 9 }, { params }), seededRng(1));
    expect(body(talk.next(false))).toMatchObject({ model: 'm', max_tokens: 9, temperature: 0 });
  });

  it('ends where it failed, or where nothing was said', () => {
    const entry = entryOf({ model: 'm', prompt: 'x', turns: 5 });
    for (const answer of [answered('text', 'timeout'), answered(null), answered('  ')]) {
      const talk = new Conversation(entry, seededRng(1));
      talk.next(false);
      expect(talk.hear(answer)).toBe(false);
    }
  });

  it('begins with a whole row, and goes on with a word of ours', () => {
    const row = { model: 'm', max_tokens: 5, messages: [{ role: 'user', content: 'Row' }], metadata: { user_id: 'u' } };
    const entry: MixEntry = {
      ...{ name: 'm', model: 'm', maxTokens: 5, share: 1, turns: 2, betas: [], params: {}, addedTokens: 0 },
      ask: { kind: 'rows', rows: [row] },
    };
    const talk = new Conversation(entry, seededRng(1));
    expect(body(talk.next(false))).toEqual(row);
    talk.hear(answered('Answer.'));
    expect(body(talk.next(false)).messages.map(({ content }) => content)).toEqual(['Row', 'Answer.', FOLLOW_UP]);
    // The row itself stays as it was for the next conversation.
    expect(row.messages).toHaveLength(1);
  });
});
