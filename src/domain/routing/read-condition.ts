/**
 * Reads one condition of a rule: a group of others (`all`, `any`, `not`), or a subject (`column`, `field`, `estimate`)
 * with one test or several that must hold together.
 */
import { isObject, kindOf, shown, type JsonObject } from '../row/shape.ts';
import { didYouMean, refuseUnknown, type Complaint } from './complaints.ts';
import { compilePattern, PatternError } from './pattern.ts';
import {
  COMPARISONS,
  GROUP_NAMES,
  LENGTH_TESTS,
  SUBJECT_NAMES,
  TEST_NAMES,
  type Condition,
  type Scalar,
  type Subject,
  type Test,
} from './rules.ts';

const DEEP_MAX = 20;
const LIST_MAX = 10_000;
const KNOWN = [...GROUP_NAMES, ...SUBJECT_NAMES, ...TEST_NAMES, 'ignore_case'];
/** Of tokens there is nothing to be read but how many. */
const TOKEN_TESTS: readonly string[] = COMPARISONS;
const CASED: readonly string[] = ['equals', 'in', 'contains', 'matches'];

export function readCondition(value: unknown, place: string, complain: Complaint, deep = 0): Condition {
  if (deep > DEEP_MAX) {
    complain(place, `conditions are nested more than ${DEEP_MAX} deep`);
    return NOTHING;
  }
  // A list is what people write who mean "all of these".
  if (Array.isArray(value)) return { kind: 'all', of: readList(value, place, complain, deep) };
  if (!isObject(value)) {
    complain(place, `a condition must be an object such as {column: country, equals: DE}, and is ${kindOf(value)}`);
    return NOTHING;
  }
  refuseUnknown(value, { known: KNOWN, place, complain });
  const groups = GROUP_NAMES.filter((name) => Object.hasOwn(value, name));
  const subjects = SUBJECT_NAMES.filter((name) => Object.hasOwn(value, name));
  const [group] = groups;
  const [subject] = subjects;
  if (groups.length + subjects.length > 1) {
    complain(
      place,
      `it has ${[...groups, ...subjects].join(' and ')}: put each into a condition of its own under "all"`,
    );
  } else if (group !== undefined) {
    const rest = Object.keys(value).filter((name) => name !== group && KNOWN.includes(name));
    if (rest.length > 0) complain(place, `beside "${group}" there can be no ${rest.join(', ')}`);
    return readGroup(value[group], { group, place: `${place}.${group}`, complain, deep });
  } else if (subject !== undefined) return readTests(value, subject, place, complain);
  else complain(place, `it says what to look at with none of ${SUBJECT_NAMES.join(', ')}, ${GROUP_NAMES.join(', ')}`);
  return NOTHING;
}

/** Stands where a condition could not be read: the file is refused anyway. */
const NOTHING: Condition = { kind: 'all', of: [] };

interface Group {
  readonly group: (typeof GROUP_NAMES)[number];
  readonly place: string;
  readonly complain: Complaint;
  readonly deep: number;
}

function readGroup(value: unknown, { group, place, complain, deep }: Group): Condition {
  if (group === 'not') return { kind: 'not', of: readCondition(value, place, complain, deep + 1) };
  if (!Array.isArray(value)) complain(place, `it must be a list of conditions, and is ${kindOf(value)}`);
  return { kind: group, of: Array.isArray(value) ? readList(value, place, complain, deep) : [] };
}

function readList(values: readonly unknown[], place: string, complain: Complaint, deep: number): readonly Condition[] {
  if (values.length === 0) complain(place, 'there is no condition in it');
  if (values.length > LIST_MAX) complain(place, `it has ${values.length} conditions; the most is ${LIST_MAX}`);
  return values.slice(0, LIST_MAX).map((one, at) => readCondition(one, `${place}[${at}]`, complain, deep + 1));
}

function readTests(
  value: JsonObject,
  name: (typeof SUBJECT_NAMES)[number],
  place: string,
  complain: Complaint,
): Condition {
  const subject = readSubject(value, name, place, complain);
  const ignoreCase = value['ignore_case'];
  if (ignoreCase !== undefined && typeof ignoreCase !== 'boolean')
    complain(`${place}.ignore_case`, `it must be true or false, and is ${shown(ignoreCase)}`);
  const names = TEST_NAMES.filter((test) => Object.hasOwn(value, test));
  if (names.length === 0) complain(place, `nothing is asked of it: there are ${TEST_NAMES.join(', ')}`);
  if (ignoreCase === true && !names.some((test) => CASED.includes(test)))
    complain(`${place}.ignore_case`, `it goes with ${CASED.join(', ')} only`);
  const wrong = subject.kind === 'tokens' ? names.filter((test) => !TOKEN_TESTS.includes(test)) : [];
  if (wrong.length > 0)
    complain(place, `of an estimate one can ask ${TOKEN_TESTS.join(', ')}, not ${wrong.join(', ')}`);
  const tests = names.flatMap((test) => {
    const at = `${place}.${test}`;
    return readTest(test, value[test], {
      ignoreCase: ignoreCase === true,
      complain: (message) => complain(at, message),
    });
  });
  return { kind: 'test', subject, ignoreCase: ignoreCase === true, tests };
}

function readSubject(value: JsonObject, name: string, place: string, complain: Complaint): Subject {
  const of = value[name];
  if (name === 'estimate') {
    if (of !== 'tokens')
      complain(`${place}.estimate`, `only tokens can be estimated, not ${shown(of)}${didYouMean(of, ['tokens'])}`);
    return { kind: 'tokens' };
  }
  // `column: 2026` is a number in YAML.
  const text = typeof of === 'number' ? String(of) : of;
  if (typeof text !== 'string' || text === '') {
    complain(`${place}.${name}`, `it must be the name of a ${name}, and is ${text === '' ? 'empty' : kindOf(of)}`);
    return { kind: 'column', name: '' };
  }
  return { kind: name === 'field' ? 'field' : 'column', name: text };
}

interface TestReading {
  readonly ignoreCase: boolean;
  readonly complain: (message: string) => void;
}

function readTest(kind: Test['kind'], value: unknown, { ignoreCase, complain }: TestReading): Test[] {
  switch (kind) {
    case 'equals':
      if (isScalar(value)) return [{ kind, value }];
      complain(`it must be a text, a number, true or false, and is ${kindOf(value)}${EXISTS_HINT}`);
      return [];
    case 'in':
      if (Array.isArray(value) && value.length > 0 && value.length <= LIST_MAX && value.every(isScalar))
        return [{ kind, values: value }];
      complain(`it must be a list of up to ${LIST_MAX} texts or numbers`);
      return [];
    case 'contains':
    case 'matches':
      if (typeof value !== 'string' || value === '') complain(`it must be a text, and is ${kindOf(value)}`);
      else if (kind === 'contains' || isPattern(value, { ignoreCase, complain })) return [{ kind, text: value }];
      return [];
    case 'exists':
      if (typeof value === 'boolean') return [{ kind, value }];
      complain(`it must be true or false, and is ${kindOf(value)}`);
      return [];
    default:
      return readNumber(kind, value, complain);
  }
}

const EXISTS_HINT = ' (for "is not there" write exists: false)';

function readNumber(
  kind: Extract<Test, { value: number }>['kind'],
  value: unknown,
  complain: (message: string) => void,
): Test[] {
  const isLength = LENGTH_TESTS.some((name) => name === kind);
  if (typeof value === 'number' && Number.isFinite(value) && (!isLength || (Number.isInteger(value) && value >= 0)))
    return [{ kind, value }];
  complain(`it must be ${isLength ? 'a whole number of characters' : 'a number'}, and is ${shown(value)}`);
  return [];
}

function isPattern(text: string, { ignoreCase, complain }: TestReading): boolean {
  try {
    compilePattern(text, { ignoreCase });
    return true;
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    complain(`not a regular expression that can be used here: ${error.message}`);
    return false;
  }
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
