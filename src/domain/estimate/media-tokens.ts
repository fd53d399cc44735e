/**
 * Images and PDFs of a request: the most tokens that they can have, which their bytes do not tell. A worst case reckons
 * with these (reserve.ts); what they are expected to have is in tokenizer.ts.
 *
 * Sources: documentation "PDF support" (600 pages at most; each page is 1,500 to 3,000 tokens of text, and an image beside
 * it) and "Vision" (an image is scaled down until it has about 1,600 tokens at most; from Opus 4.7 on images of 3.75
 * megapixels are taken). The 4,784 tokens of those have not been checked against a copy of the page or a live API: where
 * they are too few, the preflight and the answers show it (input-raise.ts).
 */
import { isObject, type JsonObject } from '../row/shape.ts';
import { pagesOfPdf } from './pdf-pages.ts';
import { generationOf, type TokenizerGeneration } from './tokenizer.ts';

export const IMAGE_TOKENS_MOST: Readonly<Record<TokenizerGeneration, number>> = { older: 1_600, newer: 4_784 };
export const PAGE_TEXT_TOKENS_MOST = 3_000;
export const PAGES_MAX = 600;

export interface Media {
  /** Bytes of the request that are images and PDFs in base64, and so no text. */
  readonly bytes: number;
  /** Tokens that all of them have at most. */
  readonly tokens: number;
  /** Documents that are named by URL or id: nobody can tell their pages, one is reckoned for each. */
  readonly unbounded: number;
}

/** Null where there are none, as in nearly every request. */
export function mediaOf({ model, messages }: JsonObject): Media | null {
  if (!Array.isArray(messages)) return null;
  const found = { bytes: 0, tokens: 0, unbounded: 0 };
  const image = IMAGE_TOKENS_MOST[generationOf(typeof model === 'string' ? model : '')];
  for (const message of messages) if (isObject(message)) look(message['content'], image, found);
  return found.tokens === 0 ? null : found;
}

type Found = { -readonly [Name in keyof Media]: Media[Name] };

function look(content: unknown, imageTokens: number, found: Found): void {
  // A text is the usual content.
  if (!Array.isArray(content)) return;
  for (const block of content) {
    if (!isObject(block)) continue;
    const { type, source, content: inner } = block;
    if (type === 'tool_result') look(inner, imageTokens, found);
    if (!isObject(source)) continue;
    const { data } = source;
    if (type === 'image') {
      found.tokens += imageTokens;
      if (typeof data === 'string') found.bytes += data.length;
    } else if (type === 'document') lookAtDocument(source, imageTokens, found);
  }
}

/** Of text, and of blocks as its content, its bytes are text like any other. */
function lookAtDocument({ type, data, content, media_type: mediaType }: JsonObject, image: number, found: Found): void {
  const page = PAGE_TEXT_TOKENS_MOST + image;
  if (type === 'content') look(content, image, found);
  else if (type === 'url' || type === 'file') {
    found.tokens += page;
    found.unbounded++;
  } else if (type === 'base64' && typeof data === 'string' && mediaType === 'application/pdf') {
    found.bytes += data.length;
    found.tokens += Math.min(PAGES_MAX, pagesOfPdf(Buffer.from(data, 'base64'))) * page;
  }
}
