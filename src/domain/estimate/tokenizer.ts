/**
 * How many tokens a text has, without asking anybody: from its bytes by kind of text and by the generation of the model's
 * tokenizer. Anthropic publishes no tokenizer for today's models, so this is a rule with an error band, not a count; its
 * numbers stand here, and test/unit/domain/estimate/recorded-pairs.test.ts holds them to what the API was seen to count.
 *
 * Source (fixtures/token-pairs/SOURCE.md): bytes a token of English prose and of TypeScript before and after the change
 * (4.33 and 3.60, 3.66 and 2.69; ClaudeCodeCamp, April 2026), ratios of new to old by kind (1.15 to 1.47 for Latin prose
 * and code, 1.00 to 1.01 for Chinese, Japanese, Korean, Russian, Arabic, Hindi; sol.ava.dev, 2026-04-17), and pairs of a
 * request and its count in recorded traffic of open-source projects, 2025 to September 2026.
 */

export const TOKENIZER_FACTS_AS_OF = '2026-11-20';

/** `older`: up to Opus 4.6 and Sonnet 4.6; `newer`: Opus 4.7 and all that came later. */
export type TokenizerGeneration = 'older' | 'newer';

/**
 * `latin`: letters and spaces of Latin scripts; `symbols`: digits, punctuation, line ends, as in code, JSON and numbers;
 * `cjk`: Chinese, Japanese, Korean; `other`: all other scripts, and emoji.
 */
export type TextKind = 'latin' | 'symbols' | 'cjk' | 'other';

export const TEXT_KINDS: readonly TextKind[] = ['latin', 'symbols', 'cjk', 'other'];

/** UTF-8 bytes of one token. */
export const BYTES_PER_TOKEN: Readonly<Record<TokenizerGeneration, Readonly<Record<TextKind, number>>>> = {
  older: { latin: 4.6, symbols: 2.3, cjk: 2.6, other: 3.6 },
  newer: { latin: 3.5, symbols: 1.95, cjk: 2.6, other: 3.6 },
};

/**
 * How far a text of this kind may be from that: words may be common or rare, numbers short or long. Newer tokenizers cut
 * Latin text by 1.13 to 1.47 times as many tokens, depending on what it is.
 */
export const KIND_ERROR: Readonly<Record<TextKind, number>> = { latin: 0.25, symbols: 0.4, cjk: 0.4, other: 0.5 };

/** What every request has around its texts: the turns of a conversation. From pairs such as "hello" = 8 tokens. */
export const FRAME_TOKENS = { request: 4, turn: 3, system: 2 } as const;
/**
 * What the API puts before a request with tools (346 by the documentation of the 4.x models; 430 and 550 were recorded), and
 * before one that must answer by a schema. Tools of the API's own (memory, web search) bring more, which is not known here.
 */
export const TOOLS_TOKENS: Readonly<Record<TokenizerGeneration, number>> = { older: 450, newer: 400 };
export const SCHEMA_TOKENS = 160;
export const ADDED_ERROR = 0.4;
/** An image of a megapixel or more (documentation: width x height / 750, and about 1,600 at most on older models). */
export const IMAGE_TOKENS = 1_600;
/** A page of a PDF is 1,500 to 3,000 tokens (documentation) and, as a guess, 50 kB; images may be much smaller. */
export const DOCUMENT_BYTES_PER_TOKEN = 25;
export const BINARY_ERROR = 1;

/** Claude 3 and 4.0 to 4.6. A name that does not show its version counts as newer, so that estimates err upwards. */
export function generationOf(model: string): TokenizerGeneration {
  if (/^claude-(\d|instant)/.test(model)) return 'older';
  const version = /^claude-[a-z]+-(\d{1,2})(?:-(\d{1,2}))?(?:-\d{8})?$/.exec(model);
  if (version === null) return 'newer';
  const major = Number(version[1]);
  return major < 4 || (major === 4 && Number(version[2] ?? 0) < 7) ? 'older' : 'newer';
}

/** A request as JSON, of which nobody has looked at the text: English prose with the frame of JSON around it. */
const BYTES_PER_TOKEN_UNSEEN = 4;
const NEWER_FACTOR_UNSEEN = 1.3;

/** Tokens of a request of so many bytes that nobody has looked into: the roughest estimate, and the quickest. */
export function tokensFromBytes(model: string, bytes: number): number {
  const tokens = bytes / BYTES_PER_TOKEN_UNSEEN;
  return Math.ceil(generationOf(model) === 'older' ? tokens : tokens * NEWER_FACTOR_UNSEEN);
}
