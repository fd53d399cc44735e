/** The most tokens that images and PDFs of a request can have, whatever their bytes are. */
import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { IMAGE_TOKENS_MOST, mediaOf, PAGE_TEXT_TOKENS_MOST } from '../../../../src/domain/estimate/media-tokens.ts';
import { pagesOfPdf } from '../../../../src/domain/estimate/pdf-pages.ts';
import type { Media } from '../../../../src/domain/estimate/media-tokens.ts';

const NEWER = 'claude-haiku-5-5';
const IMAGE = IMAGE_TOKENS_MOST.newer;
const PAGE = PAGE_TEXT_TOKENS_MOST + IMAGE;

function mediaIn(...content: readonly unknown[]): Media | null {
  return mediaOf({ model: NEWER, messages: [{ role: 'user', content }] });
}

function image(source: unknown): unknown {
  return { type: 'image', source };
}

function pdf(...objects: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(['%PDF-1.7\n', ...objects, '\n%%EOF'].map((part) => Buffer.from(part as string)));
}

function pages(count: number): string {
  return '3 0 obj << /Type /Page /Parent 2 0 R >> endobj\n'.repeat(count);
}

function packed(objects: string): Buffer {
  const head = Buffer.from(`9 0 obj << /Type/ObjStm /N 3 /Filter /FlateDecode >>stream\r\n`);
  return Buffer.concat([head, deflateSync(objects), Buffer.from('\nendstream endobj\n')]);
}

describe('images', () => {
  const data = 'A'.repeat(1_000);

  test('count alike by base64, URL and id, also in the result of a tool', () => {
    expect(mediaIn({ type: 'text', text: 'see' }, image({ type: 'base64', media_type: 'image/png', data }))).toEqual({
      ...{ bytes: 1_000, tokens: IMAGE, unbounded: 0 },
    });
    const named = [image({ type: 'url', url: 'https://a.test/x.png' }), image({ type: 'file', file_id: 'file_1' })];
    expect(mediaIn(...named)).toEqual({ bytes: 0, tokens: 2 * IMAGE, unbounded: 0 });
    expect(mediaIn({ type: 'tool_result', tool_use_id: 't', content: named })?.tokens).toBe(2 * IMAGE);
    expect(mediaIn({ type: 'document', source: { type: 'content', content: named } })?.tokens).toBe(2 * IMAGE);
  });

  test('have fewer tokens with older models', () => {
    const messages = [{ role: 'user', content: [image({ type: 'base64', media_type: 'image/png', data })] }];
    expect(mediaOf({ model: 'claude-sonnet-4-5', messages })?.tokens).toBe(IMAGE_TOKENS_MOST.older);
  });

  test('texts have none', () => {
    const text = { type: 'document', source: { type: 'text', media_type: 'text/plain', data } };
    expect(mediaIn(text)).toBeNull();
    expect(mediaOf({ model: NEWER, messages: [{ role: 'user', content: 'image' }] })).toBeNull();
    expect(mediaOf({})).toBeNull();
  });
});

describe('PDFs', () => {
  test('count by their pages', () => {
    const data = pdf('<< /Type /Pages /Count 3 >>', pages(3)).toString('base64');
    const source = { type: 'base64', media_type: 'application/pdf', data };
    expect(mediaIn({ type: 'document', source })).toEqual({ bytes: data.length, tokens: 3 * PAGE, unbounded: 0 });
  });

  test('that are named by URL or id are said to have no bound', () => {
    const named = [
      { type: 'document', source: { type: 'url', url: 'https://a.test/x.pdf' } },
      { type: 'document', source: { type: 'file', file_id: 'file_1' } },
    ];
    expect(mediaIn(...named)).toEqual({ bytes: 0, tokens: 2 * PAGE, unbounded: 2 });
  });
});

describe('pages', () => {
  test.each([
    ['in the file', pdf(pages(2)), 2],
    ['in a packed stream', pdf(packed(pages(7))), 7],
    ['in both', pdf(pages(1), packed(pages(2)), packed(pages(3))), 6],
    ['of a stream that cannot be read: by the bytes', pdf(pages(1), '/Type/ObjStm stream\n', 'x'.repeat(5_000)), 6],
    ['none to be seen: by the bytes', pdf('x'.repeat(2_500)), 3],
    ['of nothing', Buffer.alloc(0), 1],
  ])('%s', (_name, file, count) => {
    expect(pagesOfPdf(file)).toBe(count);
  });
});
