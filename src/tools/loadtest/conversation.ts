/**
 * A conversation as it is asked: each message carries all that was said before, the real answers too. One request is a
 * conversation of one message.
 */
import type { Rng } from '../../base/random.ts';
import { pick } from '../../base/random.ts';
import { isObject, type JsonObject } from '../../domain/row/shape.ts';
import type { LoadAnswer } from '../../domain/load.ts';
import type { MixEntry } from './mix.ts';
import { syntheticPrompt } from './prompts.ts';

/** What a row's conversation goes on with: its file has no second message. */
export const FOLLOW_UP = 'Go on, and say more about that.';

interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: unknown;
}

export class Conversation {
  readonly entry: MixEntry;
  readonly #rng: Rng;
  readonly #base: JsonObject;
  readonly #messages: Message[] = [];
  #turn = 0;

  constructor(entry: MixEntry, rng: Rng) {
    this.entry = entry;
    this.#rng = rng;
    const { ask, model, maxTokens, params } = entry;
    if (ask.kind === 'rows') {
      const row = pick(rng, ask.rows);
      this.#base = row;
      const messages = Array.isArray(row['messages']) ? row['messages'] : [];
      this.#messages.push(...messages.filter((one): one is Message => isObject(one) && 'role' in one));
    } else {
      // Costs are counted by these two: nothing stands in their place.
      this.#base = { ...params, model, max_tokens: maxTokens };
    }
  }

  get turn(): number {
    return this.#turn;
  }

  /** Is there another message to send? */
  get goesOn(): boolean {
    return this.#turn < this.entry.turns;
  }

  /** The body of the next request. */
  next(stream: boolean): string {
    const { ask, model } = this.entry;
    if (ask.kind === 'tokens') this.#say(syntheticPrompt(model, ask.tokens, this.#rng));
    else if (ask.kind === 'texts') this.#say(ask.texts[this.#turn % ask.texts.length] ?? FOLLOW_UP);
    else if (this.#turn > 0) this.#say(FOLLOW_UP);
    this.#turn++;
    return JSON.stringify({ ...this.#base, messages: this.#messages, ...(stream ? { stream: true } : {}) });
  }

  /** Takes the answer in. False where the conversation cannot go on: it failed, or nothing was said. */
  hear({ failure, text }: LoadAnswer): boolean {
    if (failure || text === null || text.trim() === '') return false;
    // The API takes no white space at the end of what the assistant said.
    this.#messages.push({ role: 'assistant', content: text.trimEnd() });
    return this.goesOn;
  }

  #say(text: string): void {
    this.#messages.push({ role: 'user', content: text });
  }
}
