/**
 * Regular expressions that cannot be slow: a text is gone through once, whatever the pattern and whatever the text. The
 * engine's own tries one way after the other, and a pattern such as `(a+)+$` with a text of 40 letters takes it hours;
 * rules are written by hand, and the text of a row by anybody.
 *
 * It only says whether the pattern is somewhere in the text. A pattern becomes a graph of steps (Thompson), and the sets of
 * steps that can be reached together become states, each made when a text first needs it. How it reads patterns is in
 * pattern-parser.ts; that it answers as the engine does is a property in test/unit/domain/routing/pattern.test.ts.
 */
import { hasChar, united, WORDS, type CharSet } from './char-set.ts';
import { parsePattern, PatternError, type PatternNode, type Place } from './pattern-parser.ts';

export { PatternError } from './pattern-parser.ts';

export interface Pattern {
  isIn(text: string): boolean;
}

type Step =
  | { readonly kind: 'char'; readonly set: CharSet; readonly next: number }
  | { readonly kind: 'fork'; readonly next: number[] }
  | { readonly kind: 'place'; readonly place: Place; readonly next: number }
  | { readonly kind: 'found' };

/** A pattern of some lines comes to a few hundred; `(.{1000}){1000}` is refused. */
const STEPS_MAX = 5_000;
/** Past so many the states are forgotten and made again as they are needed. */
const STATES_MAX = 1_000;
const ASCII = 128;

export function compilePattern(text: string, options: { readonly ignoreCase: boolean }): Pattern {
  const steps: Step[] = [{ kind: 'found' }];
  const first = build(parsePattern(text, options), 0, steps);
  return new Matcher(steps, first);
}

/** Adds the steps of a node, which go on to `next`. Gives the first of them. */
function build(node: PatternNode, next: number, steps: Step[]): number {
  switch (node.kind) {
    case 'char':
      return add(steps, { kind: 'char', set: node.set, next });
    case 'place':
      return add(steps, { kind: 'place', place: node.place, next });
    case 'sequence':
      return node.of.reduceRight((after, one) => build(one, after, steps), next);
    case 'choice':
      return add(steps, { kind: 'fork', next: node.of.map((one) => build(one, next, steps)) });
    case 'repeat':
      return repeat(node, next, steps);
  }
}

function repeat(node: Extract<PatternNode, { kind: 'repeat' }>, next: number, steps: Step[]): number {
  let after = next;
  if (node.max === Infinity) {
    const again: number[] = [];
    const loop = add(steps, { kind: 'fork', next: again });
    again.push(build(node.of, loop, steps), next);
    after = loop;
  } else {
    for (let count = node.min; count < node.max; count++) {
      after = add(steps, { kind: 'fork', next: [build(node.of, after, steps), next] });
    }
  }
  for (let count = 0; count < node.min; count++) after = build(node.of, after, steps);
  return after;
}

function add(steps: Step[], step: Step): number {
  if (steps.length >= STEPS_MAX) throw new PatternError(`it comes to more than ${STEPS_MAX} steps: repeat less often`);
  return steps.push(step) - 1;
}

/** What stands before or after a place in the text. */
type Side = 'nothing' | 'word' | 'other';

interface State {
  /** Steps that wait for the next character, before it is known what that is. */
  readonly steps: readonly number[];
  readonly before: Side;
  /** By the class of the next character; null: the pattern is there. */
  readonly next: (State | null | undefined)[];
  atEnd: boolean | undefined;
}

class Matcher {
  readonly #steps: readonly Step[];
  readonly #first: number;
  /** Where a new class of characters begins: within one no step can tell them apart. */
  readonly #bounds: readonly number[];
  readonly #asciiClasses = new Uint16Array(ASCII);
  readonly #seen: Uint32Array;
  #look = 0;
  #states = new Map<string, State>();

  constructor(steps: readonly Step[], first: number) {
    this.#steps = steps;
    this.#first = first;
    this.#seen = new Uint32Array(steps.length);
    const bounds = new Set([0]);
    const sets = steps.flatMap((step) => (step.kind === 'char' ? [step.set] : step.kind === 'place' ? [WORDS] : []));
    for (const set of sets) united(set).forEach((char, at) => bounds.add(at % 2 === 0 ? char : char + 1));
    this.#bounds = [...bounds].sort((one, other) => one - other);
    for (let char = 0; char < ASCII; char++) this.#asciiClasses[char] = this.#searchClass(char);
  }

  isIn(text: string): boolean {
    let state = this.#state([], 'nothing');
    for (let at = 0; at < text.length; at++) {
      let char = text.charCodeAt(at);
      if (char >= 0xd800 && char < 0xdc00) {
        char = text.codePointAt(at) ?? char;
        if (char > 0xffff) at++;
      }
      const charClass = char < ASCII ? (this.#asciiClasses[char] ?? 0) : this.#searchClass(char);
      const known = state.next[charClass];
      const next = known === undefined ? this.#move(state, charClass) : known;
      if (next === null) return true;
      state = next;
    }
    return (state.atEnd ??= this.#reach(state, 'nothing') === null);
  }

  #move(state: State, charClass: number): State | null {
    const char = this.#bounds[charClass] ?? 0;
    const side = hasChar(WORDS, char) ? 'word' : 'other';
    const reached = this.#reach(state, side);
    const next = reached === null ? null : this.#state(this.#stepsAfter(reached, char), side);
    state.next[charClass] = next;
    return next;
  }

  #stepsAfter(reached: readonly number[], char: number): number[] {
    const after = new Set<number>();
    for (const at of reached) {
      const step = this.#steps[at];
      if (step?.kind === 'char' && hasChar(step.set, char)) after.add(step.next);
    }
    return [...after].sort((one, other) => one - other);
  }

  /** All steps that can be reached without a character, given what comes next; null where the pattern is found. */
  #reach(state: State, after: Side): readonly number[] | null {
    const look = ++this.#look;
    // The pattern may begin at every place.
    const open = [...state.steps, this.#first];
    const reached: number[] = [];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (this.#seen[at] === look) continue;
      this.#seen[at] = look;
      const step = this.#steps[at];
      if (step?.kind === 'found') return null;
      if (step?.kind === 'char') reached.push(at);
      else if (step?.kind === 'fork') open.push(...step.next);
      else if (step?.kind === 'place' && isAt(step.place, state.before, after)) open.push(step.next);
    }
    return reached;
  }

  #state(steps: readonly number[], before: Side): State {
    const key = `${before} ${steps.join(' ')}`;
    const known = this.#states.get(key);
    if (known) return known;
    if (this.#states.size >= STATES_MAX) this.#states = new Map();
    const state: State = { steps, before, next: [], atEnd: undefined };
    this.#states.set(key, state);
    return state;
  }

  #searchClass(char: number): number {
    let low = 0;
    let high = this.#bounds.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#bounds[middle] ?? 0) <= char) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function isAt(place: Place, before: Side, after: Side): boolean {
  switch (place) {
    case 'start':
      return before === 'nothing';
    case 'end':
      return after === 'nothing';
    case 'edge':
      return (before === 'word') !== (after === 'word');
    case 'inside':
      return (before === 'word') === (after === 'word');
  }
}
