/**
 * The JSON Schema of the configuration file, for editors: made from the table of flags, so that a flag that is added is
 * known to every editor with the next build (dist/config.schema.json). Draft 7, which all of them read. It takes what
 * the program takes (setting-values.ts); where a schema cannot say it all, the program is the stricter of the two.
 */
import type { JsonObject } from '../../domain/row/shape.ts';
import { FLAG_SPECS, type FlagName, type FlagSpec } from '../flags/option-table.ts';
import { NOTICE_EVENTS } from '../../domain/notice-events.ts';
import { FILE_FLAGS, kindOfFlag, rangeOf, type FlagKind } from '../flags/setting-values.ts';

const PROFILE = '#/definitions/profile';

export function configSchema(): JsonObject {
  const names = [...FILE_FLAGS.keys()];
  const inProfile = names.filter((name) => FILE_FLAGS.get(name) !== 'profile');
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'batchrun configuration',
    description:
      'Values for the flags of batchrun by their long names. Flag > environment (BATCHRUN_…) > profile > this file > default.',
    type: 'object',
    additionalProperties: false,
    properties: {
      $schema: { type: 'string', description: 'For editors.' },
      ...Object.fromEntries(inProfile.map((name) => [name, { $ref: `${PROFILE}/properties/${name}` }])),
      profile: {
        ...SHAPES.text,
        description: 'The profile that is used where neither --profile nor BATCHRUN_PROFILE names one.',
      },
      profiles: {
        type: 'object',
        description: 'Sets of values that go before those of the file: --profile NAME, or BATCHRUN_PROFILE.',
        additionalProperties: { anyOf: [{ $ref: PROFILE }, { type: 'null' }] },
      },
    },
    definitions: {
      profile: {
        type: 'object',
        additionalProperties: false,
        properties: Object.fromEntries(inProfile.map((name) => [name, flagSchema(FILE_FLAGS.get(name) ?? 'state')])),
      },
    },
  };
}

function flagSchema(flag: FlagName): JsonObject {
  const spec: FlagSpec = FLAG_SPECS[flag];
  const fallback = spec.defaultText ?? spec.default;
  // Help says `(default: …)` in words where a value depends on something; here both stand in the description.
  return {
    description: spec.text,
    ...shapeOf(flag, spec),
    ...(fallback === undefined ? {} : { default: fallback }),
  };
}

function shapeOf(flag: FlagName, { choices }: FlagSpec): JsonObject {
  const kind = kindOfFlag(flag);
  if (kind === 'choice') return { enum: choices ?? [] };
  if (kind !== 'count') return SHAPES[kind];
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = rangeOf(flag) ?? {};
  const bounds = { minimum: min, ...(max === Number.MAX_SAFE_INTEGER ? {} : { maximum: max }) };
  return { type: ['integer', 'string'], ...bounds, pattern: '^\\s*\\d+\\s*$' };
}

const NUMBER = '(\\d+(\\.\\d*)?|\\.\\d+)([eE][+-]?\\d+)?';
const DURATION = '\\d+(\\.\\d+)?|(\\d+(\\.\\d+)?(ms|s|m|h|d|w))+';
const WORDS = { type: 'array', minItems: 1, items: { type: ['string', 'number'] } } as const;

const SHAPES: Readonly<Record<Exclude<FlagKind, 'choice' | 'count'>, JsonObject>> = {
  switch: { type: 'boolean' },
  text: { type: ['string', 'number'] },
  other: { type: ['string', 'number'] },
  duration: { type: ['number', 'string'], minimum: 0, pattern: `^\\s*(${DURATION})\\s*$` },
  durations: { type: ['number', 'string'], minimum: 0, pattern: `^\\s*(${DURATION})\\s*(-\\s*(${DURATION})\\s*)?$` },
  bytes: {
    type: ['number', 'string'],
    minimum: 1,
    pattern: '^\\s*\\d+(\\.\\d+)?\\s*([bB]|[kKmMgG][iI]?[bB])?\\s*$',
  },
  amount: { type: ['number', 'string'], minimum: 0, pattern: `^\\s*${NUMBER}\\s*$` },
  cap: { type: ['number', 'string'], exclusiveMinimum: 0, pattern: `^\\s*(${NUMBER}|[nN][oO][nN][eE])\\s*$` },
  share: { type: ['number', 'string'], minimum: 0, exclusiveMaximum: 1, pattern: '^\\s*\\d+(\\.\\d+)?(\\s*%)?\\s*$' },
  deadline: { type: 'string', pattern: '\\S' },
  url: { type: 'string', pattern: '^rediss?://.' },
  address: { type: 'string', pattern: '^https?://' },
  per_second: {
    type: ['number', 'string'],
    exclusiveMinimum: 0,
    pattern: '^\\s*\\d+(\\.\\d+)?(/(s|sec|m|min|h|hour))?\\s*$',
  },
  rates: { type: 'string', pattern: '\\d/(s|sec|m|min|h|hour)\\b' },
  notices: {
    anyOf: [
      { type: 'string', pattern: '^[a-z_, -]*$' },
      { ...WORDS, items: { enum: NOTICE_EVENTS } },
    ],
  },
  list: { anyOf: [{ type: 'string' }, WORDS] },
  cuts: {
    anyOf: [
      { type: 'string', pattern: '=\\d+' },
      { ...WORDS, items: { type: 'string', pattern: '=\\d+$' } },
      { type: 'object', minProperties: 1, additionalProperties: { type: 'integer', minimum: 1 } },
    ],
  },
  params: { anyOf: [{ type: 'object' }, { type: 'string' }] },
};
