/**
 * What leaves the library names its options and methods, never flags: held against every text of the rooms it runs.
 */
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { BatchrunError } from '../../src/base/errors.ts';
import { ERROR_CATALOGUE } from '../../src/base/error-catalogue.ts';
import { libraryError, libraryText } from '../../src/library/words.ts';
import { sourcesBelow, walk, type Source } from '../meta/sources.ts';
import { csv } from '../support/cli.ts';
import { lab, rowsOf } from './lab.ts';

/** Rooms of commands that the library has no part of, or whose texts are names of tables and comments of a format. */
const OF_COMMANDS = [
  /^src\/engine\/(?:audit|export)/,
  /^src\/engine\/resolve\.ts/,
  /^src\/adapters\/(?:metrics|load|web|notify)\//,
  /^src\/base\/error-catalogue\.ts/,
  /^src\/domain\/fail-if\.ts/,
];

/** Texts as they stand in the code; what is filled in is X. */
function textsOf(source: Source): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    if (ts.isStringLiteralLike(node)) found.push(node.text);
    if (ts.isTemplateExpression(node)) {
      found.push(node.head.text + node.templateSpans.map((span) => `X${span.literal.text}`).join(''));
    }
  });
  return found.map((text) => `${source.path}: ${text}`);
}

const rooms = ['src/base', 'src/domain', 'src/engine', 'src/adapters', 'src/host', 'src/library']
  .flatMap((folder) => sourcesBelow(folder))
  .filter(({ path }) => !OF_COMMANDS.some((pattern) => pattern.test(path)) && !path.endsWith('words.ts'));

/** Outside of whole commands, which are kept where only they can do it. */
const flagsIn = (text: string): string[] =>
  text
    .replace(/`batchrun (?:resolve|prune|log|doctor|adopt|export)[^`]*`/g, '')
    // Beginnings and ends of commands that are put together elsewhere.
    .replace(/(?:batchrun resolve|`X) .*?(?:--batch ID|--not-created|--lost|--chunk X)`?/g, '')
    .match(/(?<![\w-])--[a-z][a-z-]+/g) ?? [];

describe('texts of the engine', () => {
  it('name no flag when they leave the library', () => {
    const texts = rooms.flatMap(textsOf).filter((text) => /--[a-z]{2}/.test(text));
    expect(texts.length).toBeGreaterThan(40);
    const left = texts.map((text) => libraryText(text)).filter((text) => flagsIn(text).length > 0);
    expect(left).toEqual([]);
  });

  it('that would name one are found', () => {
    expect(flagsIn(libraryText('add --unheard-of to it'))).toEqual(['--unheard-of']);
  });

  it.each(Object.entries(ERROR_CATALOGUE).filter(([code]) => !/^E_(?:METRICS|WEB|ADOPT|NOT_CONF|RESOLVE)/.test(code)))(
    '%s: its general hint is for programs',
    (code) => {
      const { hint } = libraryError(new BatchrunError(code as keyof typeof ERROR_CATALOGUE, 'x')) as BatchrunError;
      expect(hint).not.toMatch(/--[a-z]|`batchrun (?:collect|status|list|cancel|retry|--help)|the command again/);
    },
  );

  it.each([
    ['Give it with --prices FILE, for example X', 'Give it to `usePrices`, for example X'],
    ['then run `batchrun collect` again.', 'then call `run.wait()` again.'],
    ['Raise it: `batchrun collect run_a --max-cost 12.5`.', 'Raise it: `run.change({ maxCostUsd: 12.5 })`.'],
    ['`batchrun collect run_a --pilot 0` sends the rest', '`run.change({ pilot: 0 })` sends the rest'],
    ['so --max-cost 0.5 cannot be kept', 'so `maxCostUsd: 0.5` cannot be kept'],
    ['or use --retry-lock 10m to wait here', 'or use `retryLockMs` to wait here'],
    ['`batchrun resolve run_a --chunk 1 --lost` gives up', '`batchrun resolve run_a --chunk 1 --lost` gives up'],
    ['a -- b, x--y and --nothing-of-ours', 'a -- b, x--y and --nothing-of-ours'],
  ])('%s', (text, said) => expect(libraryText(text)).toBe(said));
});

describe('an error', () => {
  it('keeps its code, its cause and its place; one of the program stays what it is', () => {
    const cause = new Error('below');
    const error = new BatchrunError('E_TEMPLATE', '--prompt has no end', { cause, details: { file: '--prompt' } });
    const said = libraryError(error) as BatchrunError;
    expect(said).toMatchObject({ code: 'E_TEMPLATE', message: '`prompt` has no end', cause, exit: 2 });
    expect(said.details).toEqual({ file: '--prompt' });
    expect(said.stack).toContain('`prompt` has no end');
    expect(said.stack?.split('\n').slice(1)).toEqual(error.stack?.split('\n').slice(1));
    const own = new TypeError('--prompt');
    expect(libraryError(own)).toBe(own);
  });

  it('of a submit, of a check and in their problems names options', async () => {
    const { bench: b, open } = await lab();
    b.write('in.csv', csv(2));
    const path = b.path('in.csv');
    const batchrun = open();
    for (const call of ['submit', 'check'] as const) {
      await expect(batchrun[call](path, { ...ASKED, prompt: '{{txet}}' })).rejects.toMatchObject({
        code: 'E_TEMPLATE',
        message: expect.stringContaining('`prompt`') as string,
      });
      await expect(batchrun[call](path, { model: 'claude-haiku-5-5', prompt: '{{text}}' })).rejects.toMatchObject({
        code: 'E_INPUT_INVALID',
        hint: expect.stringContaining('the setting') as string,
        details: { problems: [{ message: expect.stringContaining('`maxTokens`') as string }, {}] },
      });
    }
    const { problems } = await batchrun.check([{ text: 'x' }, ...rowsOf(1)], { onInvalid: 'skip' });
    expect(problems[0]?.message).toContain('`prompt`');
  });
});

const ASKED = { model: 'claude-haiku-5-5', maxTokens: 50 };
