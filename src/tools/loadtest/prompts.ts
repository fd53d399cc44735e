/**
 * Texts of a wanted size for load tests without prompts of one's own: plain English words, drawn at random, so that no
 * two requests are the same and nothing about anybody is in them.
 */
import type { Rng } from '../../base/random.ts';
import { BYTES_PER_TOKEN, generationOf } from '../../domain/estimate/tokenizer.ts';

const WORDS = (
  'the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one ' +
  'you were all her she there would their we him been has when who will no more if out so up said what its about than ' +
  'into them can only other time new some could these two may first then do any like my now over such our man me even ' +
  'most made after also did many off before must well back through years much where your way down should because long ' +
  'each just state people those too mr how little good world make very year still see own work men day get here old'
).split(' ');

const ASK = 'Read this and say in a few sentences what comes to your mind: ';

/** About so many tokens by the model's tokenizer; at least a short question. */
export function syntheticPrompt(model: string, tokens: number, rng: Rng): string {
  const bytes = Math.max(1, Math.round(tokens * BYTES_PER_TOKEN[generationOf(model)].latin));
  let text = bytes > 2 * ASK.length ? ASK : '';
  while (text.length < bytes) text += `${WORDS[Math.floor(rng.next() * WORDS.length)] ?? 'the'} `;
  return text.slice(0, Math.max(1, bytes)).trimEnd() || 'a';
}
