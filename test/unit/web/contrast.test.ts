/**
 * The colours of the pages, in light and dark: texts are to be read on every ground they stand on (WCAG 2.2, 1.4.3), and
 * what colours mean is to be seen (1.4.11).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PAGE_STYLE } from '../../../src/tools/report/style.ts';

const PAGE = readFileSync(new URL('../../../src/web/style.css', import.meta.url), 'utf8');
const TEXTS = ['ink', 'quiet', 'good', 'busy', 'warn', 'bad'];
const GROUNDS = ['ground', 'card', 'sunk', 'warn-ground'];

type Colours = Readonly<Record<string, string>>;

/** Those of the light mode, and with those of the dark mode over them. */
function themes(style: string): readonly (readonly [string, Colours])[] {
  const [light = {}, dark = {}] = [...style.matchAll(/:root\s*\{([^}]*)\}/g)].map(([, body = '']): Colours =>
    Object.fromEntries(
      [...body.matchAll(/--([\w-]+):\s*(#[\da-f]{3,6})/g)].map(([, name = '', hex = '']) => [name, hex]),
    ),
  );
  return [
    ['light', light],
    ['dark', { ...light, ...dark }],
  ];
}

function luminance(hex: string): number {
  const digits = hex.length === 4 ? hex.slice(1).replace(/./g, '$&$&') : hex.slice(1);
  const [red = 0, green = 0, blue = 0] = [0, 2, 4].map((at) => {
    const value = Number.parseInt(digits.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

describe.each([
  ['pages', PAGE],
  ['reports', PAGE_STYLE],
])('of %s', (_name, style) => {
  it.each(themes(style))('texts can be read: %s', (_theme, colours) => {
    const weak = TEXTS.flatMap((text) =>
      GROUNDS.flatMap((ground) => {
        const [front, back] = [colours[text], colours[ground]];
        return front && back && contrast(front, back) < 4.5 ? [`${text} on ${ground}`] : [];
      }),
    );
    expect(weak).toEqual([]);
    expect(contrast(colours['ink'] ?? '', colours['ground'] ?? '')).toBeGreaterThan(7);
  });

  it.each(themes(style))('lines and states can be seen: %s', (_theme, colours) => {
    // A chunk that was cut into others is no more, and looks so.
    const shown = Object.keys(colours).filter((name) => /^(c-|tone)/.test(name) && name !== 'c-gone');
    expect(shown.length).toBeGreaterThan(3);
    expect(shown.filter((name) => contrast(colours[name] ?? '', colours['card'] ?? '') < 3)).toEqual([]);
  });
});
