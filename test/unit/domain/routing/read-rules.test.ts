/** Rules files: what they come to, what is wrong with them in which words, and that the schema for editors agrees. */
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { readRoutes } from '../../../../src/domain/routing/read-rules.ts';
import { columnsOf } from '../../../../src/domain/routing/rules.ts';

const ROOT = new URL('../../../../', import.meta.url);
const schema = JSON.parse(readFileSync(new URL('src/schemas/routes.schema.json', ROOT), 'utf8')) as object;
const accepts = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema);

function complaint(value: unknown): string {
  try {
    readRoutes(value, 'r.yaml');
  } catch (error) {
    expect(error).toMatchObject({ code: 'E_CONFIG' });
    return (error as Error).message;
  }
  throw new Error('it was taken');
}

const rule = (more: object): { routes: object[] } => ({ routes: [{ name: 'a', use: {}, ...more }] });
const when = (condition: unknown): { routes: object[] } => rule({ when: condition });

describe('a rules file', () => {
  it.each(['support.yaml', 'requests.json'])('fixtures/routes/%s is in order', (name) => {
    const value: unknown = parse(readFileSync(new URL(`fixtures/routes/${name}`, ROOT), 'utf8'));
    expect(readRoutes(value, name).length).toBeGreaterThan(1);
    expect(accepts(value), JSON.stringify(accepts.errors)).toBe(true);
  });

  it('becomes routes', () => {
    const value = {
      routes: [
        {
          name: 'gold',
          when: { column: 'tier', equals: 'gold' },
          use: { model: 'm', max_tokens: 5, priority: 'HIGH' },
        },
        { name: 'long', when: [{ estimate: 'tokens', above: 9, at_most: 99 }], use: { lane: 'auto' }, override: true },
      ],
    };
    const routes = readRoutes(value, 'r.yaml');
    expect(routes).toEqual([
      {
        name: 'gold',
        override: false,
        use: { model: 'm', maxTokens: 5, priority: 'high' },
        when: {
          kind: 'test',
          subject: { kind: 'column', name: 'tier' },
          ignoreCase: false,
          tests: [{ kind: 'equals', value: 'gold' }],
        },
      },
      {
        name: 'long',
        override: true,
        use: { lane: 'auto' },
        when: {
          kind: 'all',
          of: [
            {
              kind: 'test',
              subject: { kind: 'tokens' },
              ignoreCase: false,
              tests: [
                { kind: 'above', value: 9 },
                { kind: 'at_most', value: 99 },
              ],
            },
          ],
        },
      },
    ]);
    expect([...columnsOf(routes)]).toEqual([['tier', 'gold']]);
    // What goes to the thread that reads.
    expect(structuredClone(routes)).toEqual(routes);
  });

  it.each<[unknown, string]>([
    [[], 'r.yaml: it must hold an object with "routes", and holds a list'],
    [{ route: [] }, '"route" is not known; did you mean routes?'],
    [{ routes: {} }, '"routes" must be a list of rules, and is an object'],
    [{ routes: [] }, 'routes: there is no rule in it'],
    [{ routes: ['x'] }, 'routes[0]: a rule must be an object with name, when and use, and is text'],
    [{ routes: [{ use: {} }] }, 'routes[0], name: a rule needs a name: missing is none'],
    [{ routes: [{ name: 'a' }] }, 'rule "a" (routes[0]), use: it says what the rows get'],
    [rule({ wehn: {} }), 'rule "a" (routes[0]): "wehn" is not known; did you mean when?'],
    [rule({ when: null }), 'rule "a" (routes[0]), when: it is empty'],
    [rule({ override: 'yes' }), 'override: it must be true or false, and is "yes"'],
    [rule({ use: { modle: 'm' } }), 'rule "a" (routes[0]), use: "modle" is not known; did you mean model?'],
    [rule({ use: { model: '' } }), 'use.model: it must be the name of a model, and is ""'],
    [rule({ use: { max_tokens: 1.5 } }), 'use.max_tokens: it must be a whole number from 1, and is 1.5'],
    [
      rule({ use: { priority: 'hihg' } }),
      'use.priority: it must be one of critical, high, normal, low, and is "hihg"; did you mean high?',
    ],
    [
      rule({ use: { lane: 'real-time' } }),
      'use.lane: it must be one of batch, realtime, auto, and is "real-time"; did you mean realtime?',
    ],
    [when('x'), 'when: a condition must be an object such as {column: country, equals: DE}, and is text'],
    [when({ colum: 'x', equals: 1 }), 'rule "a" (routes[0]), when: "colum" is not known; did you mean column?'],
    [when({ column: 'x' }), 'when: nothing is asked of it: there are equals, in, contains'],
    [
      when({ column: 'x', field: 'y', equals: 1 }),
      'when: it has column and field: put each into a condition of its own',
    ],
    [when({ column: 'x', equal: 1 }), '"equal" is not known; did you mean equals?'],
    [
      when({ column: 'x', equals: null }),
      'when.equals: it must be a text, a number, true or false, and is null (for "is not there" write exists: false)',
    ],
    [when({ column: 'x', in: 'DE' }), 'when.in: it must be a list of up to 10000 texts or numbers'],
    [
      when({ column: 'x', matches: '(' }),
      'when.matches: not a regular expression that can be used here: the ( is never closed',
    ],
    [when({ column: 'x', matches: '(a)\\1' }), 'back references'],
    [when({ column: 'x', longer_than: -1 }), 'when.longer_than: it must be a whole number of characters, and is -1'],
    [when({ column: 'x', above: '5' }), 'when.above: it must be a number, and is "5"'],
    [when({ column: 'x', exists: 'yes' }), 'when.exists: it must be true or false, and is text'],
    [
      when({ column: 'x', exists: true, ignore_case: true }),
      'when.ignore_case: it goes with equals, in, contains, matches only',
    ],
    [when({ column: '', equals: 1 }), 'when.column: it must be the name of a column, and is empty'],
    [when({ estimate: 'token', above: 1 }), 'only tokens can be estimated, not "token"; did you mean tokens?'],
    [when({ estimate: 'tokens', equals: 1 }), 'of an estimate one can ask above, at_least, below, at_most, not equals'],
    [when({ all: {} }), 'when.all: it must be a list of conditions, and is an object'],
    [when({ any: [] }), 'when.any: there is no condition in it'],
    [when({ all: [{ column: 'x', equals: 1 }], equals: 2 }), 'beside "all" there can be no equals'],
    [when({ any: [{ column: 'x', equals: 1 }, { not: { column: 'y' } }] }), 'when.any[1].not: nothing is asked of it'],
    [
      {
        routes: [
          { name: 'a', use: {} },
          { name: 'b', use: {} },
        ],
      },
      'rule "b" (routes[1]): it is never reached: the rule "a" before it',
    ],
  ])('that is %j is refused', (value, message) => {
    expect(complaint(value)).toContain(message);
  });

  it('with several mistakes names each of them, and at most ten', () => {
    const message = complaint({
      routes: Array.from({ length: 12 }, (_, at) => ({ name: `r${at}`, when: [{}], use: { x: 1 } })),
    });
    expect(message).toMatch(/^r\.yaml has 24 mistakes:\n {2}rule "r0" \(routes\[0\]\), when\[0\]: it says/);
    expect(message.split('\n')).toHaveLength(12);
    expect(message).toContain('and 14 more');
  });

  it('with two rules of one name is refused', () => {
    const one = { name: 'a', when: { column: 'x', equals: 1 }, use: {} };
    expect(complaint({ routes: [one, one] })).toContain('rule "a" (routes[1]): another rule has this name');
  });

  it('that nests without end is refused', () => {
    let condition: unknown = { column: 'x', equals: 1 };
    for (let deep = 0; deep < 30; deep++) condition = { not: condition };
    expect(complaint(when(condition))).toContain('conditions are nested more than 20 deep');
  });
});

describe('the schema for editors', () => {
  it.each([
    when({ colum: 'x', equals: 1 }),
    when({ column: 'x' }),
    when({ column: 'x', field: 'y', equals: 1 }),
    when({ column: 'x', longer_than: -1 }),
    rule({ use: { lane: 'fast' } }),
    rule({ use: { max_tokens: 0 } }),
    rule({ override: 1 }),
    { routes: [] },
    { rules: [] },
  ])('refuses %j too', (value) => {
    complaint(value);
    expect(accepts(value)).toBe(false);
  });
});
