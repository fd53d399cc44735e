/**
 * The configuration file: what is read, and what is refused with its line and the name that was meant.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findConfig, readConfig } from '../../../../src/cli/files/config-file.ts';
import { KEY } from '../../../support/cli.ts';
import { tempFolder } from '../../../support/temp.ts';

function read(name: string, text: string): { settings: unknown; profiles: unknown } {
  const path = join(tempFolder(), name);
  writeFileSync(path, text);
  const file = readConfig(path);
  return {
    settings: Object.fromEntries(file.settings),
    profiles: Object.fromEntries([...file.profiles].map(([profile, values]) => [profile, Object.fromEntries(values)])),
  };
}

/** What is said of a file that is refused, without the folder that it lies in. */
function refusal(name: string, text: string): string {
  const folder = tempFolder();
  writeFileSync(join(folder, name), text);
  const error = refused(join(folder, name));
  expect(error).toMatchObject({ code: 'E_CONFIG' });
  return (error as Error).message.replaceAll(`${folder}/`, '');
}

function refused(path: string): unknown {
  try {
    readConfig(path);
  } catch (error) {
    return error;
  }
  throw new Error('it was read');
}

const JSON_TEXT = `{
  "$schema": "./schema.json",
  "model": "claude-haiku-5-5",
  "max-tokens": 5, "color": false,
  "profiles": {
    "nightly": {
      "quiet": true
    }
  }
}`;
const YAML_TEXT = `# yaml-language-server: $schema=./schema.json

model: claude-haiku-5-5
max-tokens: 5
color: false

profiles:
  nightly:
    quiet: true
`;

describe('the same in both languages', () => {
  const settings = { model: 'claude-haiku-5-5', maxTokens: '5', color: false };
  test.each([
    ['c.json', JSON_TEXT, [3, 4, 4], 7],
    ['c.yaml', YAML_TEXT, [3, 4, 5], 9],
    ['c.yml', YAML_TEXT.replaceAll('\n', '\r\n'), [3, 4, 5], 9],
    ['any-name', `\uFEFF${JSON_TEXT}`, [3, 4, 4], 7],
    ['any-other', YAML_TEXT, [3, 4, 5], 9],
  ])('%s, with lines', (name, text, lines, quietLine) => {
    const found = read(name, text);
    const expected = Object.entries(settings).map(([flag, typed], at) => [flag, { typed, line: lines[at] }]);
    expect(found.settings).toEqual(Object.fromEntries(expected));
    expect(found.profiles).toEqual({ nightly: { quiet: { typed: true, line: quietLine } } });
  });

  test('numbers, lists, objects, and words that YAML 1.1 took for something else', async () => {
    const { settings } = read(
      'c.yaml',
      `betas: [a, b]
truncate: {body: 4000, title: 20}
params: {stop_sequences: [END], n: {x: null}}
deadline: 06:00
max-cost: none
sample: 1%
headroom: 0.1
poll-interval: 200ms
name: 2026
`,
    );
    const typed = Object.entries(settings as object).map(([flag, { typed: value }]) => [flag, value as unknown]);
    expect(Object.fromEntries(typed)).toEqual({
      betas: 'a,b',
      truncate: 'body=4000,title=20',
      params: '{"stop_sequences":["END"],"n":{"x":null}}',
      deadline: '06:00',
      maxCost: 'none',
      sample: '1%',
      headroom: '0.1',
      pollInterval: '200ms',
      name: '2026',
    });
  });

  test('a file of comments sets nothing, and so does a profile without values', async () => {
    expect(read('c.yaml', '# nothing yet\n')).toEqual({ settings: {}, profiles: {} });
    expect(read('c.yaml', 'profiles:\n  nightly:\n')).toEqual({ settings: {}, profiles: { nightly: {} } });
  });

  test('an alias of YAML stands for what it names, with the line where it is used', async () => {
    const { profiles } = read('c.yaml', 'profiles:\n  a: &a\n    quiet: true\n  b: *a\n');
    expect(profiles).toEqual({ a: { quiet: { typed: true, line: 3 } }, b: { quiet: { typed: true, line: 4 } } });
  });
});

describe('what is refused', () => {
  test.each([
    ['a.json', '{\n"chunk-sise": 5}', 'a.json:2: there is no flag "chunk-sise"; did you mean "chunk-size"?'],
    ['a.yaml', 'model: x\nmaxTokens: 5\n', 'a.yaml:2: there is no flag "maxTokens"; did you mean "max-tokens"?'],
    ['a.yaml', 'xyzzy: 5', 'a.yaml:1: there is no flag "xyzzy"'],
    ['a.yaml', 'profile: n\nprofils: {n: {}}', 'a.yaml:2: there is no flag "profils"; did you mean "profile"?'],
    ['a.yaml', 'no-color: true', 'a.yaml:1: "no-color": write "color" with false'],
    ['a.yaml', 'config: b.yaml', 'a.yaml:1: there is no flag "config"'],
    ['a.yaml', 'model:\n', 'a.yaml:1: "model" has no value: give it one, or take the line out'],
    ['a.yaml', 'quiet: yes', 'a.yaml:1: "quiet" must be true or false, without quotes'],
    ['a.yaml', 'model: [a, b]', 'a.yaml:1: "model" must be a text or a number'],
    ['a.yaml', 'model: true', 'a.yaml:1: "model" must be a text or a number'],
    ['a.yaml', 'format: xml', 'a.yaml:1: "format" must be one of jsonl, flat, csv'],
    ['a.yaml', 'poll-interval: soon', 'a.yaml:1: "poll-interval" must be a duration such as 200ms, 30s, 10m, 4h or 2d'],
    ['a.yaml', 'truncate: {body: many}', 'a.yaml:1: "truncate" must be columns such as body=4000'],
    ['a.yaml', 'betas: []', 'a.yaml:1: "betas" must be a list, or texts separated by commas'],
    ['a.yaml', 'profiles: [a]', 'a.yaml:1: "profiles" must hold profiles by their names'],
    ['a.yaml', 'profiles:\n  n: 5', 'a.yaml:2: the profile "n" must hold flags with values'],
    ['a.yaml', 'profiles:\n  n:\n    profile: m', 'a.yaml:3: "profile" cannot stand in a profile'],
    ['a.yaml', 'profiles:\n  n:\n    limit: -1', 'a.yaml:3: "limit" must be a whole number from 1'],
    ['a.json', '{"quiet":true,\n"quiet":false}', 'a.json:2: "quiet" is there twice'],
    ['a.yaml', 'a: 1\na: 2', 'a.yaml:2: not valid YAML: Map keys must be unique'],
    ['a.yaml', 'model: "x\n', 'a.yaml:2: not valid YAML: Missing closing "quote'],
    ['a.yaml', '- a\n', 'a.yaml must hold names with values, such as "model: …"'],
    ['a.json', '[]', 'a.json must hold names with values, such as "model: …"'],
    ['a.json', '{\n"a" 1}', "a.json:2: not valid JSON: Expected ':' after property name"],
    ['a.json', '', 'a.json:1: not valid JSON: Unexpected end of JSON input'],
  ])('%s: %j', async (name, text, message) => {
    expect(refusal(name, text)).toBe(message);
  });

  test('all that is wrong is said at once', async () => {
    const message = refusal('a.yaml', 'modle: x\nquiet: 1\nprofiles: {n: {limit: 0}}\n');
    expect(message).toMatch(/^3 problems in a.yaml:\n {2}a.yaml:1: .*\n {2}a.yaml:2: .*\n {2}a.yaml:3: .*$/);
  });

  test('a bomb of aliases', async () => {
    const levels = Array.from({ length: 12 }, (_, at) => `a${at + 1}: &a${at + 1} [${`*a${at}, `.repeat(9)}*a${at}]`);
    expect(refusal('a.yaml', `a0: &a0 x\n${levels.join('\n')}\n`)).toContain('not valid YAML');
  });

  test('a file that is not there', async () => {
    expect(() => readConfig(join(tempFolder(), 'gone.yaml'))).toThrow(/gone\.yaml is not there/);
  });
});

describe('secrets are refused, and never shown', () => {
  test.each([
    ['api-key: x', '"api-key" looks like a secret, and secrets do not belong here'],
    ['ANTHROPIC_API_KEY: x', '"ANTHROPIC_API_KEY" looks like a secret'],
    ['apiKey: x', '"apiKey" looks like a secret'],
    ['password: hunter2', '"password" looks like a secret'],
    [`name: ${KEY}`, '"name" holds an API key'],
    [`api-keys-env: [${KEY}]`, '"api-keys-env" holds an API key'],
    [`params: {metadata: {user_id: ${KEY}}}`, '"params" holds an API key'],
    [`profiles: {n: {system: "key: ${KEY}"}}`, '"system" holds an API key'],
    ['limiter: redis://me:hunter2@host:6379', '"limiter" holds a password'],
  ])('%s', async (text, message) => {
    const path = join(tempFolder(), 'c.yaml');
    writeFileSync(path, text);
    const error = refused(path);
    expect(error).toMatchObject({ code: 'E_CONFIG', hint: expect.stringContaining('ANTHROPIC_API_KEY') });
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).not.toMatch(/TESTKEY|hunter2/);
  });

  test.each(['{"name":"K"', '{"name" "K"}', '{K}'])('also where the JSON is broken: %s', async (text) => {
    expect(refusal('a.json', text.replace('K', KEY))).not.toContain('TESTKEY');
  });

  test.each(['name: [K', 'name: K: K', '%K\nname: 1', 'a: @K', '*K', 'K: &a &b x'])(
    'also where the YAML is broken: %s',
    async (text) => {
      expect(refusal('a.yaml', text.replaceAll('K', KEY))).not.toContain('TESTKEY');
    },
  );

  test('words that only sound like it are no secrets', async () => {
    const { settings } = read('c.yaml', 'prompt: "Bearer documents and api keys: {{text}}"\nmax-tokens: 5\n');
    expect(Object.keys(settings as object)).toEqual(['prompt', 'maxTokens']);
    expect(read('c.yaml', 'limiter: redis://host:6379/0')).toMatchObject({ settings: { limiter: {} } });
  });
});

describe('which file', () => {
  test('the one that is there, the one that is named, or none', () => {
    const folder = tempFolder();
    expect(findConfig(undefined, folder)).toBeNull();
    expect(findConfig('x.yaml', folder)).toBe(join(folder, 'x.yaml'));
    writeFileSync(join(folder, 'batchrun.config.yml'), '');
    expect(findConfig(undefined, folder)).toBe(join(folder, 'batchrun.config.yml'));
  });

  test('two of them are refused by name, unless one is named', () => {
    const folder = tempFolder();
    for (const name of ['batchrun.config.json', 'batchrun.config.yaml']) writeFileSync(join(folder, name), '');
    expect(() => findConfig(undefined, folder)).toThrow(/batchrun\.config\.json and batchrun\.config\.yaml/);
    expect(findConfig('batchrun.config.yaml', folder)).toBe(join(folder, 'batchrun.config.yaml'));
  });
});
