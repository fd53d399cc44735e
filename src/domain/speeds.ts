/**
 * How fast the lines of models answer: dated, from others' measurements, and only good for saying which is faster. What
 * this account has measured takes their place wherever there is something (tools/plan).
 *
 * `word` is the "comparative latency" of Anthropic's models overview (platform.claude.com/docs/en/models/overview, copies
 * of summer and autumn 2026). Numbers: Artificial Analysis and LMSpeed by way of public pages, for the version that is
 * named; later versions of a line are taken to be like it. With thinking the first token comes much later.
 */

export const SPEEDS_AS_OF = '2026-11-20';

export interface Speed {
  readonly word: 'fastest' | 'fast' | 'moderate' | 'slower';
  /** From the request to the first token of the answer, without thinking. */
  readonly firstTokenMs: number;
  readonly tokensPerSecond: number;
  readonly source: string;
  readonly date: string;
  readonly confidence: string;
}

const OVERVIEW = 'Anthropic models overview, 2026';

export const SPEEDS = {
  haiku: {
    word: 'fastest',
    firstTokenMs: 1_340,
    tokensPerSecond: 97,
    source: `${OVERVIEW}; LMSpeed, Haiku 4.5: 97 tokens/s, 1,336 ms`,
    date: '2026',
    confidence: 'third-party, Haiku 4.5 stands for its line',
  },
  sonnet: {
    word: 'fast',
    firstTokenMs: 1_800,
    tokensPerSecond: 63,
    source: `${OVERVIEW}; Artificial Analysis, Sonnet 4.5: 63 tokens/s, 1.80 s`,
    date: '2025-11',
    confidence: 'third-party, Sonnet 4.5 stands for its line',
  },
  opus: {
    word: 'moderate',
    firstTokenMs: 2_670,
    tokensPerSecond: 45,
    source: `${OVERVIEW}; Artificial Analysis, Opus 4.1: 45 tokens/s, 2.67 s`,
    date: '2025-11',
    confidence: 'third-party, Opus 4.1 stands for its line',
  },
  fable: {
    word: 'slower',
    firstTokenMs: 4_000,
    tokensPerSecond: 35,
    source: `${OVERVIEW}: "slower"; no number without thinking was found`,
    date: '2026',
    confidence: 'the word is documented, the numbers are a guess below those of opus',
  },
  mythos: {
    word: 'slower',
    firstTokenMs: 4_000,
    tokensPerSecond: 35,
    source: 'nothing was found; taken to be like fable',
    date: '2026',
    confidence: 'guess',
  },
} as const satisfies Record<string, Speed>;

/** A model of no known line is taken to be as slow as the slowest. */
export function speedOf(model: string): Speed {
  const line = /^claude-(?:[\d-]+-)?([a-z]+)/.exec(model)?.[1] ?? '';
  return (SPEEDS as Readonly<Record<string, Speed>>)[line] ?? SPEEDS.mythos;
}

/** How long a call takes to answer so many tokens. */
export function answerMs({ firstTokenMs, tokensPerSecond }: Speed, outputTokens: number): number {
  return firstTokenMs + (outputTokens / tokensPerSecond) * 1_000;
}
