/**
 * The JSON Schema for editors takes what the program takes, and the file in the package is the one that the table of
 * flags makes.
 */
import { Ajv } from 'ajv';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { configSchema } from '../../../../src/cli/files/config-schema.ts';
import { initFile, schemaRef, type InitAnswers } from '../../../../src/cli/files/init-file.ts';
import { FLAG_SPECS, type FlagName } from '../../../../src/cli/flags/option-table.ts';
import { FLAG_NAMES, addAllFlags } from '../../../../src/cli/flags/options.ts';
import { FILE_FLAGS, fileName, kindOfFlag, settingText } from '../../../../src/cli/flags/setting-values.ts';
import { Command } from 'commander';

const accepts = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(configSchema());
const BUILT = fileURLToPath(new URL('../../../../dist/config.schema.json', import.meta.url));

/** One of each kind that people write. */
const VALUES: readonly unknown[] = [
  ...[true, false, null, 0, 1, 5, 0.5, -1, 1e6, 100_001, 1.5, 1e15],
  ...['', ' ', '5', ' 7 ', '-1', '1.5', '1e3', 'many', 'none', 'NONE', '10%', '0.1', '150%', '1', '100%'],
  ...[
    '200ms',
    '1h30m',
    '10 m',
    'soon',
    '64MB',
    '64 kib',
    '1TB',
    '06:00',
    '2026-11-22T06:00Z',
    'redis://h',
    'rediss://',
    'https://h/x',
    'https://',
    '20/s',
    '1/s-50/s',
    'done,failed',
  ],
  ...['a,b', 'body=4000', 'body=', 'jsonl', 'batch', 'warn', '{"a":1}'],
  ...[
    [],
    ['a', 'b'],
    ['body=4000'],
    [['a']],
    ['done', 'blocked'],
    [null],
    {},
    { body: 4000 },
    { body: 0 },
    { body: 'x' },
  ],
];

/** Where only the program knows: how large, which clock, what a text comes to. */
const STRICTER: Partial<Record<string, (value: unknown) => boolean>> = {
  count: (value) => typeof value === 'string' || (typeof value === 'number' && value > 1e9),
  bytes: (value) => typeof value === 'string' || (typeof value === 'number' && value > 256e6),
  deadline: (value) => typeof value === 'string',
  share: (value) => typeof value === 'string',
  cap: (value) => typeof value === 'string',
  cuts: (value) => typeof value === 'string',
  address: (value) => typeof value === 'string',
  per_second: (value) => typeof value === 'string',
  rates: (value) => typeof value === 'string',
  notices: (value) => typeof value === 'string',
};

describe('the schema and the program', () => {
  test('agree about every flag and every kind of value', () => {
    const differ: unknown[] = [];
    let compared = 0;
    for (const [name, flag] of FILE_FLAGS) {
      for (const value of VALUES) {
        const program = 'typed' in settingText(flag, value);
        const schema = accepts({ [name]: value });
        compared++;
        if (program === schema) continue;
        if (schema && STRICTER[kindOfFlag(flag)]?.(value) === true) continue;
        differ.push({ name, value, program, schema });
      }
    }
    expect(differ).toEqual([]);
    expect(compared).toBeGreaterThan(3_000);
  });

  test('agree about what no flag is called', () => {
    for (const file of [{ modle: 'x' }, { config: 'x' }, { profiles: { n: { profile: 'm' } } }, { profiles: [] }]) {
      expect(accepts(file), JSON.stringify(file)).toBe(false);
    }
    for (const file of [{}, { $schema: 'x' }, { profile: 'n', profiles: { n: { quiet: true }, m: null, o: {} } }]) {
      expect(accepts(file), JSON.stringify(file)).toBe(true);
    }
  });

  test('every flag has a description, and its default where the table has one', () => {
    const { definitions } = configSchema() as {
      definitions: { profile: { properties: Record<string, { description: string; default?: unknown }> } };
    };
    const { properties } = definitions.profile;
    for (const [name, flag] of FILE_FLAGS) {
      if (flag === 'profile') continue;
      const spec: { text: string; default?: unknown; defaultText?: string } = FLAG_SPECS[flag];
      expect(properties[name]).toMatchObject({ description: spec.text });
      expect(properties[name]?.default).toEqual(spec.defaultText ?? spec.default);
    }
  });

  test.skipIf(!existsSync(BUILT))('the file that the build puts into the package is this one', () => {
    expect(JSON.parse(readFileSync(BUILT, 'utf8'))).toEqual(JSON.parse(JSON.stringify(configSchema())));
  });

  test('a flag is called in the table as commander calls it, and each kind is known', () => {
    const command = new Command();
    addAllFlags(command);
    expect(command.options.map((option) => option.attributeName())).toEqual(FLAG_NAMES);
    const kinds = Object.fromEntries(FLAG_NAMES.map((flag) => [flag, kindOfFlag(flag)])) as Record<FlagName, string>;
    expect(kinds).toMatchObject({ quiet: 'switch', color: 'switch', format: 'choice', chunkSize: 'count' });
    expect(kinds).toMatchObject({ pollInterval: 'duration', headroom: 'share', betas: 'list', params: 'params' });
    expect(fileName('color')).toBe('color');
  });
});

describe('what init writes', () => {
  const answers: InitAnswers = {
    model: 'claude-haiku-5-5',
    priceText: null,
    rows: 'columns',
    prompt: 'Say "{{x}}": # no comment\n- \u00fc',
    maxTokens: 5,
    format: 'csv',
    maxCostUsd: 2.5,
    nightly: true,
    schemaRef: './schema.json',
  };

  test.each<Partial<InitAnswers>>([
    {},
    { rows: 'requests' },
    { nightly: false, maxCostUsd: null },
    { model: 'null' },
    { model: '5: {x' },
  ])('is taken by the schema and says what was answered: %j', (more) => {
    const text = initFile({ ...answers, ...more });
    const values = parse(text) as Record<string, unknown>;
    expect(accepts(values), JSON.stringify(accepts.errors)).toBe(true);
    expect(values['model']).toBe(more.model ?? answers.model);
    expect(values['prompt']).toBe(more.rows === 'requests' ? undefined : answers.prompt);
    expect(values['max-cost']).toBe(more.maxCostUsd === null ? undefined : 2.5);
    expect('profiles' in values).toBe(more.nightly !== false);
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=./schema.json');
    for (const [name, value] of Object.entries(values)) {
      const flag = FILE_FLAGS.get(name);
      if (flag) expect(settingText(flag, value)).toHaveProperty('typed');
    }
  });

  test('names the schema by a path below its folder, else by an address', () => {
    expect(schemaRef('/a', '/a/node_modules/batchrun/dist/c.json')).toBe('./node_modules/batchrun/dist/c.json');
    expect(schemaRef('/a/b', '/usr/lib/c d.json')).toBe('file:///usr/lib/c%20d.json');
  });

  test('with its comments switched on it is a file as well', () => {
    const text = initFile({ ...answers, nightly: false, maxCostUsd: null });
    const live = text.replace(
      /^# ((?:max-cost|on-invalid|fail-if|chunk-size|deadline|id-column|profiles|  )[^\n]*)$/gm,
      '$1',
    );
    const values = parse(live) as Record<string, unknown>;
    expect(Object.keys(values)).toEqual(expect.arrayContaining(['max-cost', 'on-invalid', 'deadline', 'profiles']));
    expect(accepts(values), JSON.stringify(accepts.errors)).toBe(true);
  });
});
