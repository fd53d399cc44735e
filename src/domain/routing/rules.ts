/**
 * What a rules file says (`--routes`): a list of routes, of which the first takes a row whose conditions hold. Plain data,
 * so that it can be handed to the thread that reads. How a file becomes this is in read-rules.ts, how a row is held against
 * it in router.ts; src/schemas/routes.schema.json is the same for editors.
 */
import type { LaneMode } from '../model.ts';
import type { Priority } from '../priority.ts';

export interface Route {
  readonly name: string;
  /** Null: it takes every row that comes to it. */
  readonly when: Condition | null;
  readonly use: RouteUse;
  /** Does it go before what a row says itself? */
  readonly override: boolean;
}

/** What it leaves out stays as it is. */
export interface RouteUse {
  readonly model?: string;
  readonly maxTokens?: number;
  readonly priority?: Priority;
  readonly lane?: LaneMode;
}

export type Condition =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'test'; readonly subject: Subject; readonly ignoreCase: boolean; readonly tests: readonly Test[] };

export type Subject =
  /** As `{{name}}` in a template: a column, a field beside the request, or a path into one. */
  | { readonly kind: 'column'; readonly name: string }
  /** A parameter that the row brings itself, before flags: `model`, `metadata.user_id`, `messages.0.content`. */
  | { readonly kind: 'field'; readonly name: string }
  /** Input tokens of the whole request, estimated from its bytes. */
  | { readonly kind: 'tokens' };

export type Scalar = string | number | boolean;

export type Test =
  | { readonly kind: 'equals'; readonly value: Scalar }
  | { readonly kind: 'in'; readonly values: readonly Scalar[] }
  | { readonly kind: 'contains' | 'matches'; readonly text: string }
  | { readonly kind: NumberTest; readonly value: number }
  | { readonly kind: 'exists'; readonly value: boolean };

export const LENGTH_TESTS = ['longer_than', 'shorter_than'] as const;
export const COMPARISONS = ['above', 'at_least', 'below', 'at_most'] as const;
export type NumberTest = (typeof LENGTH_TESTS)[number] | (typeof COMPARISONS)[number];

/** Every test by its name in the file, as the README lists them. */
export const TEST_NAMES: readonly Test['kind'][] = [
  ...(['equals', 'in', 'contains', 'matches'] as const),
  ...LENGTH_TESTS,
  ...COMPARISONS,
  'exists',
];
export const SUBJECT_NAMES = ['column', 'field', 'estimate'] as const;
export const GROUP_NAMES = ['all', 'any', 'not'] as const;
export const ROUTE_KEYS = ['name', 'when', 'use', 'override'] as const;
export const USE_KEYS = ['model', 'max_tokens', 'priority', 'lane'] as const;
export const LANE_MODES: readonly LaneMode[] = ['batch', 'realtime', 'auto'];

/** Every column that a rule looks at. */
export function columnsOf(routes: readonly Route[]): ReadonlyMap<string, string> {
  const columns = new Map<string, string>();
  for (const { name, when } of routes) {
    for (const { subject } of testsOf(when)) {
      if (subject.kind === 'column' && !columns.has(subject.name)) columns.set(subject.name, name);
    }
  }
  return columns;
}

type Leaf = Extract<Condition, { kind: 'test' }>;

function testsOf(condition: Condition | null): readonly Leaf[] {
  if (condition === null) return [];
  if (condition.kind === 'test') return [condition];
  return condition.kind === 'not' ? testsOf(condition.of) : condition.of.flatMap(testsOf);
}
