/**
 * What each route of `--routes` took of an input, while it is read: rows, bytes and models. One look-up a row, and none
 * where there are no routes.
 */
import { invariant } from '../../base/errors.ts';
import { addRequest, noSums, requestText, type MixSums } from '../../domain/chunk-text.ts';
import { mixInLane } from '../../domain/lane-mix.ts';
import { raisedLike } from '../../domain/input-raise.ts';
import type { Lane, ModelMix } from '../../domain/model.ts';
import { wireId } from '../../domain/result-line.ts';
import type { RowKind } from '../../domain/row/row-block.ts';
import { routedLane } from '../../domain/row/row-routing.ts';
import type { Route } from '../../domain/routing/rules.ts';

export interface RouteSum {
  /** Null: the rows that no route took. */
  readonly name: string | null;
  readonly rows: number;
  /** UTF-8 bytes of their requests. */
  readonly bytes: number;
  /** The sum of their max_tokens. */
  readonly maxTokens: number;
  /** The lane that the route has chosen; null: that of the run. */
  readonly lane: Lane | null;
  /** By model, its lanes included, so that it can be priced as the mix of a run. */
  readonly mix: ModelMix;
}

interface Open {
  readonly lane: Lane | null;
  readonly mix: MixSums;
}

type Part = MixSums[string];

/** Which number a row has in its chunk is not known yet: by two bytes more or less. */
const TYPICAL_ROW = 1_000;

export class RouteSums {
  readonly #byName = new Map<string | null, Open>();
  #lastKind: RowKind | undefined;
  #lastPart: Part | undefined;

  readonly #frameBytes: number;

  /** In the order of the rules: those that take nothing are among them. `tag`: of the run. */
  constructor(routes: readonly Route[], tag: string) {
    this.#frameBytes = requestText(wireId(tag, 1, TYPICAL_ROW), '').length;
    for (const route of routes) this.#byName.set(route.name, { lane: routedLane(route), mix: {} });
    this.#byName.set(null, { lane: null, mix: {} });
  }

  /** A request with these params: what is around them is paid and shown elsewhere, so it counts here, too. */
  add(kind: RowKind, paramsBytes: number): void {
    const bytes = paramsBytes + this.#frameBytes;
    const part = kind === this.#lastKind && this.#lastPart ? this.#lastPart : this.#partOf(kind);
    addRequest(part, bytes, kind);
  }

  /** `whole`: the mix of the run, which may be raised. */
  sums(whole: ModelMix): readonly RouteSum[] {
    const all = [...this.#byName].map(([name, { lane, mix }]) => {
      const parts = Object.values(mix);
      const sum = (of: (part: Part) => number): number => parts.reduce((total, part) => total + of(part), 0);
      const rows = sum((part) => part.rows);
      const [bytes, maxTokens] = [sum((part) => part.bytes), sum((part) => part.maxTokens)];
      return { name, rows, bytes, maxTokens, lane, mix: raisedLike(mixInLane(mix, lane), whole) };
    });
    return all.filter(({ name, rows }) => name !== null || rows > 0);
  }

  #partOf(kind: RowKind): Part {
    const name = kind.route ?? null;
    const open = this.#byName.get(name);
    invariant(open, `there is a route ${name ?? ''}`);
    this.#lastKind = kind;
    this.#lastPart = open.mix[kind.model] ??= noSums();
    return this.#lastPart;
  }
}
